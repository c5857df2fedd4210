/** Indexes that Portage or a hand has left in a PKGDIR. */
import { existsSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { checkPkgdir } from '../../src/binpkg/pkgdir/check-pkgdir.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { MadePkgdir } from './made-pkgdir.ts';

let parent = '';
let pkgdir: MadePkgdir;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'rookery-foreign-'));
  pkgdir = new MadePkgdir(parent);
});

afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

const headerOf = (text: string): string => text.slice(0, text.indexOf('\n\n'));

describe('an entry that is there', () => {
  it.each([
    ['an MD5 in capitals', (text: string) => text.replace(/^MD5: (.*)$/m, upper)],
    ['a short MD5', (text: string) => text.replace(/^(MD5: .*).$/m, '$1')],
    ['a long MD5', (text: string) => text.replace(/^(MD5: .*)$/m, '$10')],
    ['an empty MD5', (text: string) => text.replace(/^MD5: .*$/m, 'MD5: ')],
    ['a SHA1 in capitals', (text: string) => text.replace(/^SHA1: (.*)$/m, upper)],
    ['a short SHA1', (text: string) => text.replace(/^(SHA1: .*).$/m, '$1')],
    ['an empty SHA1', (text: string) => text.replace(/^SHA1: .*$/m, 'SHA1: ')],
  ])('is not trusted with %s', async (_, edit) => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    const right = pkgdir.entries();
    pkgdir.edit(edit);
    expect(await pkgdir.index()).toMatchObject({ written: true });
    expect(pkgdir.entries()).toEqual(right);
  });

  it('keeps its DESC and its digests when the package has to be read again', async () => {
    const path = await pkgdir.put('app-misc/a-1', { metadata: { repository: '' } });
    await pkgdir.index();
    pkgdir.edit((text) =>
      text.replace('EAPI', 'DESC: Old: text\nEAPI').replace(/^SHA1: .*\n/m, ''),
    );
    const { findings } = await checkPkgdir(pkgdir.folder, { deep: true });
    expect(findings.filter((one) => one.path === path)).toEqual([]);
    expect(await pkgdir.index()).toMatchObject({ written: false, changed: [] });
    await pkgdir.put('app-misc/b-1');
    await pkgdir.index();
    expect(pkgdir.entries().get(path)).toMatchObject({ DESC: 'Old: text' });
    expect(pkgdir.entries().get(path)).not.toHaveProperty('SHA1');
  });

  it('may have the REPO_REVISIONS that Portage writes once', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.put('app-misc/b-1', { metadata: { repository: '' } });
    await pkgdir.index();
    pkgdir.edit((text) => text.replaceAll(/^(SHA1: )/gm, 'REPO_REVISIONS: {"a": "b"}\n$1'));
    const { findings } = await checkPkgdir(pkgdir.folder, { deep: true });
    expect(findings.filter(({ path }) => path !== null)).toEqual([]);
  });

  it('stays as it is with a control character, and stops nothing', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    pkgdir.edit((text) => text.replace('KEYWORDS: ', 'KEYWORDS: \u0001'));
    const added = await pkgdir.put('app-misc/b-1');
    expect(await pkgdir.index()).toMatchObject({ written: true, added: [added], changed: [] });
    expect(pkgdir.text()).toContain('KEYWORDS: \u0001amd64');
  });

  it('holds for a file of the last nanosecond of a second', async () => {
    const path = await pkgdir.put('app-misc/a-1');
    const stamp = '@1767000000.999999999';
    await run(['touch', '-d', stamp, pkgdir.file(path)], { env: toolEnvironment() });
    await pkgdir.index();
    expect(pkgdir.entries().get(path)).toMatchObject({ MTIME: '1767000000' });
    expect((await checkPkgdir(pkgdir.folder)).findings).toEqual([]);
  });
});

describe('a header that is there', () => {
  it('is kept whole, with tabs and keys that nobody knows', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    const more = 'GENTOO_MIRRORS: http://a\thttp://b\nTTL: 60\nURI: https://b.example\n';
    pkgdir.edit((text) => text.replace('VERSION: 0', `${more}VERSION: 0\nX-Made.by: hand`));
    await pkgdir.put('app-misc/b-1');
    await pkgdir.index();
    const lines = headerOf(pkgdir.text()).split('\n');
    expect(lines).toEqual(expect.arrayContaining([...more.trim().split('\n'), 'X-Made.by: hand']));
  });

  it('is kept when its lines end as on Windows', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    pkgdir.edit((text) => text.replace('VERSION: 0', 'TTL: 60\nVERSION: 0'));
    const right = pkgdir.text();
    pkgdir.edit((text) => text.replaceAll('\n', '\r\n'));
    expect(await pkgdir.index()).toMatchObject({ written: true, added: [], changed: [] });
    expect(pkgdir.text().replace(/^TIMESTAMP: .*$/m, '')).toBe(
      right.replace(/^TIMESTAMP: .*$/m, ''),
    );
  });

  it('decides anew what entries inherit when it was changed', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.put('app-misc/b-1', { metadata: { CHOST: 'riscv64-linux' } });
    await pkgdir.put('app-misc/c-1');
    await pkgdir.index();
    pkgdir.edit((text) => text.replace('CHOST: x86_64-pc-linux-gnu', 'CHOST: riscv64-linux'));
    utimesSync(pkgdir.file('Packages.gz'), 1, 1);
    await pkgdir.index();
    expect(pkgdir.text().match(/^CHOST: .*$/gm)).toEqual(['CHOST: riscv64-linux']);
  });

  it('of FEATURES without compress-index asks for no Packages.gz', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    pkgdir.edit((text) =>
      text.replace('PACKAGES', 'FEATURES: buildpkg compress-index-x\nPACKAGES'),
    );
    pkgdir.remove('Packages.gz');
    expect(await pkgdir.index()).toMatchObject({ written: false });
    expect((await checkPkgdir(pkgdir.folder)).findings).toEqual([]);
    await pkgdir.put('app-misc/b-1');
    expect(await pkgdir.index()).toMatchObject({ written: true });
    expect(existsSync(pkgdir.file('Packages.gz'))).toBe(false);
    pkgdir.edit((text) => text.replace('compress-index-x', 'compress-index'));
    expect(await pkgdir.index()).toMatchObject({ written: true });
    expect(pkgdir.compressedText()).toBe(pkgdir.text());
  });
});

it('gives a new header the CHOST of most packages', async () => {
  await pkgdir.put('app-misc/a-1', { metadata: { CHOST: 'riscv64-linux' } });
  await pkgdir.put('app-misc/b-1');
  await pkgdir.put('app-misc/c-1');
  await pkgdir.put('app-misc/d-1', { metadata: { CHOST: '' } });
  await pkgdir.index();
  expect(headerOf(pkgdir.text())).toContain('CHOST: x86_64-pc-linux-gnu\n');
  const chosts = [...pkgdir.entries().values()].map(({ CHOST }) => CHOST);
  expect(chosts).toEqual([
    'riscv64-linux',
    ...Array.from({ length: 3 }, () => 'x86_64-pc-linux-gnu'),
  ]);
});

function upper(line: string): string {
  return line.toUpperCase();
}
