import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { forge, METADATA, metadataTar } from '../binpkg/made-package.ts';
import { MadePkgdir, placeOf } from '../binpkg/made-pkgdir.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { runProgram } from './run-program.ts';

const root = temporaryFolder();
let pkgdir: MadePkgdir;

beforeEach(() => {
  pkgdir = new MadePkgdir(mkdtempSync(join(root, 'test-')));
});

const index = async (...options: readonly string[]) =>
  await runProgram(['index', ...options, pkgdir.folder]);

/** What `--check` finds, as `kind path`. */
async function findings(...options: readonly string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await index('--check', '--json', ...options);
  const report = JSON.parse(stdout);
  const found: readonly string[] = report.findings.map(
    ({ kind, path }: { readonly kind: string; readonly path: string | null }) =>
      `${kind} ${path ?? ''}`.trim(),
  );
  expect(report.ok).toBe(found.length === 0);
  expect(code).toBe(found.length === 0 ? 0 : 1);
  expect(stderr.includes('[pkgdir-index-wrong]')).toBe(found.length > 0);
  return found;
}

describe('rookery index', () => {
  it('writes the index and says what changed', async () => {
    const one = await pkgdir.put('app-misc/a-1');
    expect(await index()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^1 package, 1 added; index of 20\d\d-/),
      stderr: '',
    });
    expect(await index()).toMatchObject({ stdout: '1 package, nothing to change\n' });
    const two = await pkgdir.put('app-misc/b-1');
    pkgdir.remove(one);
    writeFileSync(pkgdir.file('app-misc/b/b-1-2.gpkg.tar'), '');
    const { stdout, stderr } = await index('--verbose');
    expect(stdout).toMatch(/^1 package, 1 added, 1 removed; index of /);
    expect(stderr.split('\n')).toEqual([
      `added ${two}`,
      `removed ${one}`,
      'passed over app-misc/b/b-1-2.gpkg.tar: it is empty: the place of a build that is not done',
      '',
    ]);
  });

  it('gives the same as JSON', async () => {
    const path = await pkgdir.put('app-misc/a-1');
    writeFileSync(pkgdir.file(placeOf('app-misc/a-1', '2')), 'no package');
    const { code, stdout } = await index('--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      {
        written: true,
        packages: 1,
        added: [path],
        changed: [],
        removed: [],
        refused: [{ path: 'app-misc/a/a-1-2.gpkg.tar', code: 'gpkg-not-a-package' }],
        ignored: [],
        duplicates: [],
      },
    ]);
  });

  it('names what it leaves out, and what is there twice', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.put('app-misc/a-1', { path: placeOf('app-misc/a-1', '3') });
    writeFileSync(pkgdir.file(placeOf('app-misc/a-1', '2')), 'no package\u001b[2J');
    const { stderr } = await index();
    expect(stderr).toMatch(/^app-misc\/a\/a-1-2.gpkg.tar is left out: The file does not begin/m);
    expect(stderr).toContain('app-misc/a-1 has one BUILD_ID in several files: app-misc/a/a-1-1');
  });

  it('takes only packages that the given keys signed', async () => {
    const signers = await Promise.all(
      ['farm', 'stranger'].map(async (name) => {
        const folder = mkdtempSync(join(root, name));
        const options = { folder, name, email: 'x@example.org', validDays: 9, clock: systemClock };
        return { folder, signer: await openSigner(options) };
      }),
    );
    for (const [at, { signer, folder }] of signers.entries()) {
      const pf = `hello-1.0-r${at + 1}`;
      const metadata = metadataTar({ ...METADATA, PF: pf });
      writeFileSync(join(folder, pf), await forge({ metadata, signer }));
      pkgdir.place(join(folder, pf), `app-misc/hello/${pf}-3.gpkg.tar`, 1_780_000_000);
    }
    const keys = join(signers[0]?.folder ?? '', 'public-key.asc');
    const { stdout } = await index('--json', '--keys', keys);
    expect(JSON.parse(stdout)).toMatchObject({
      added: ['app-misc/hello/hello-1.0-r1-3.gpkg.tar'],
      refused: [{ code: 'gpkg-signature-unknown-key' }],
    });
    expect(await index('--keys', '/nowhere')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[keys-unreadable]'),
    });
  });

  it('shows a bar while many packages are read', async () => {
    const made = await pkgdir.put('app-misc/a-1');
    for (let id = 2; id <= 60; id += 1) {
      pkgdir.place(pkgdir.file(made), placeOf('app-misc/a-1', String(id)), 1_780_000_000 + id);
    }
    const { stderr } = await index();
    expect(stderr).toMatch(/^read: 15 of 60\nread: 30 of 60\n/);
    const live = await runProgram(['index', '--full', pkgdir.folder], {
      terminal: { columns: 80, rows: 24 },
    });
    expect(live.stderr).toMatch(/100 % {2}read {2}60 of 60/);
  });

  it('refuses what is no folder, and options that do not go together', async () => {
    expect(await runProgram(['index', '/nowhere'])).toMatchObject({
      code: 1,
      stderr: 'rookery: There is no folder /nowhere. [pkgdir-missing]\n',
    });
    expect(await index('--deep')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[index-options]'),
    });
  });
});

describe('rookery index --check', () => {
  it('finds nothing in an index that is right, and changes nothing', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.put('app-misc/b-1', { metadata: { repository: '' } });
    await index();
    const before = statSync(pkgdir.file('Packages'));
    expect(await findings('--deep')).toEqual([]);
    expect(await index('--check')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/the index is right\n$/),
    });
    pkgdir.remove('Packages.gz');
    await findings();
    const after = statSync(pkgdir.file('Packages'));
    expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  });

  it('tells packages that are missing, changed, gone or cannot be read', async () => {
    const gone = await pkgdir.put('app-misc/gone-1');
    const changed = await pkgdir.put('app-misc/changed-1');
    await index();
    pkgdir.remove(gone);
    await pkgdir.put('app-misc/changed-1');
    const missing = await pkgdir.put('app-misc/missing-1');
    const broken = placeOf('app-misc/missing-1', '2');
    writeFileSync(pkgdir.file(broken), 'no package');
    expect(await findings()).toEqual([
      `changed ${changed}`,
      `missing ${missing}`,
      `unreadable ${broken}`,
      `stale ${gone}`,
    ]);
    const { code, stdout } = await index('--check');
    expect(code).toBe(1);
    expect(stdout.split('\n')[1]).toBe(`missing          ${missing}: It is not in the index.`);
  });

  it('tells two packages with one CPV and BUILD_ID', async () => {
    await pkgdir.put('app-misc/a-1');
    const second = await pkgdir.put('app-misc/a-1', { path: placeOf('app-misc/a-1', '2') });
    await index();
    expect(await findings()).toEqual([`duplicate ${second}`]);
  });

  it('tells wrong digests and values when it looks deep', async () => {
    const bytes = await pkgdir.put('app-misc/bytes-1');
    const value = await pkgdir.put('app-misc/value-1');
    await index();
    pkgdir.damage(bytes, readFileSync(pkgdir.file(bytes)).length - 1);
    pkgdir.edit((text) =>
      text.replace('CPV: app-misc/value-1', 'CPV: app-misc/value-1\nDEPEND: dev-libs/x'),
    );
    expect(await findings()).toEqual(['compressed-index']);
    expect(await findings('--deep')).toEqual([
      'compressed-index',
      `wrong-hash ${bytes}`,
      `wrong-value ${value}`,
    ]);
  });

  it.each<readonly [string, (text: string) => string, readonly string[]]>([
    [
      'a CPV that is none',
      (text) => text.replace(/^CPV: .*$/m, 'CPV: app-misc/a'),
      ['bad-cpv app-misc/a/a-1-1.gpkg.tar'],
    ],
    [
      'a missing MD5',
      (text) => text.replace(/^MD5: .*\n/m, ''),
      ['incomplete app-misc/a/a-1-1.gpkg.tar'],
    ],
    ['an empty line too many', (text) => text.replace('\n\n', '\n\n\n'), ['damaged-index']],
    ['an entry twice', (text) => text + text.slice(text.indexOf('\n\n') + 2), ['duplicate']],
    [
      'a version that Portage does not read',
      (text) => text.replace('VERSION: 0', 'VERSION: 2'),
      ['damaged-index', 'missing app-misc/a/a-1-1.gpkg.tar'],
    ],
  ])('tells %s', async (_, edit, expected) => {
    await pkgdir.put('app-misc/a-1');
    await index();
    pkgdir.edit(edit);
    expect(await findings()).toEqual(expect.arrayContaining(['compressed-index', ...expected]));
    expect((await findings()).length).toBe(expected.length + 1);
  });

  it('tells a folder without an index', async () => {
    await pkgdir.put('app-misc/a-1');
    expect(await findings()).toEqual(['damaged-index', 'missing app-misc/a/a-1-1.gpkg.tar']);
  });
});
