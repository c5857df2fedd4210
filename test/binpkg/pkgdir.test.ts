import {
  chmodSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { indexPkgdir } from '../../src/binpkg/pkgdir/index-pkgdir.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { forge, METADATA, metadataTar, PretendKey, type RawMember } from './made-package.ts';
import { MadePkgdir, NOON, placeOf } from './made-pkgdir.ts';

const root = temporaryFolder();
let parent: string;
let pkgdir: MadePkgdir;

beforeEach(() => {
  parent = mkdtempSync(join(root, 'test-'));
  pkgdir = new MadePkgdir(parent);
});

describe('the index of a folder of packages', () => {
  it('is made of what the packages say, as Portage writes it', async () => {
    await pkgdir.put('app-misc/top-2.1-r3', {
      metadata: {
        SLOT: '0/2\n',
        DEPEND: 'x? ( dev-libs/a )  !x? ( dev-libs/b )\n dev-libs/c[x?,y=]\n',
        RDEPEND: '|| ( ( dev-libs/a ) )\n',
        USE: 'x amd64\n',
        LICENSE: 'x? ( MIT ) GPL-2\n',
      },
    });
    const outcome = await pkgdir.index();
    const file = pkgdir.file('app-misc/top/top-2.1-r3-1.gpkg.tar');
    const hash = async (program: string): Promise<string> =>
      (await run([program, file], { env: toolEnvironment() })).stdout.toString().split(' ')[0] ??
      '';
    const expected = `ARCH: amd64
CHOST: x86_64-pc-linux-gnu
PACKAGES: 1
TIMESTAMP: ${NOON}
VERSION: 0

BUILD_ID: 1
BUILD_TIME: 1767000000
CPV: app-misc/top-2.1-r3
DEPEND: dev-libs/a dev-libs/c[x,-y]
EAPI: 8
KEYWORDS: amd64 ~arm64
LICENSE: MIT GPL-2
MD5: ${await hash('md5sum')}
PATH: app-misc/top/top-2.1-r3-1.gpkg.tar
RDEPEND: dev-libs/a
SHA1: ${await hash('sha1sum')}
SIZE: ${statSync(file).size}
SLOT: 0/2
USE: x amd64
MTIME: ${statSync(file).mtimeMs / 1000}
REPO: lab

`;
    expect(pkgdir.text()).toBe(expected);
    expect(pkgdir.compressedText()).toBe(expected);
    expect(outcome).toMatchObject({
      written: true,
      packages: 1,
      added: ['app-misc/top/top-2.1-r3-1.gpkg.tar'],
    });
    for (const name of ['Packages', 'Packages.gz']) {
      expect(statSync(pkgdir.file(name)).mtimeMs).toBe(NOON * 1000);
    }
    expect(readdirSync(pkgdir.folder).toSorted()).toEqual(['Packages', 'Packages.gz', 'app-misc']);
  });

  it('is left alone while nothing changes, and follows what is added, changed and removed', async () => {
    const kept = await pkgdir.put('app-misc/kept-1');
    const gone = await pkgdir.put('app-misc/gone-1');
    const other = await pkgdir.put('app-misc/other-1');
    await pkgdir.index();
    const before = statSync(pkgdir.file('Packages'));
    expect(await pkgdir.index()).toMatchObject({
      written: false,
      packages: 3,
      timestampSeconds: NOON,
    });
    expect(statSync(pkgdir.file('Packages')).ino).toBe(before.ino);

    pkgdir.remove(gone);
    await pkgdir.put('app-misc/other-1', { metadata: { SLOT: '5\n' } });
    const added = await pkgdir.put('dev-libs/new-1', { metadata: { CHOST: 'riscv64-linux\n' } });
    expect(await pkgdir.index()).toMatchObject({
      written: true,
      added: [added],
      changed: [other],
      removed: [gone],
      timestampSeconds: NOON + 6,
    });
    const entries = pkgdir.entries();
    expect([...entries.keys()]).toEqual([kept, other, added]);
    expect(entries.get(other)).toMatchObject({ SLOT: '5' });
    expect(entries.get(added)).toMatchObject({ CHOST: 'riscv64-linux' });
  });

  it('does not read a package again whose path, size and time agree', async () => {
    const path = await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    pkgdir.damage(path, 1200);
    expect(await pkgdir.index()).toMatchObject({ written: false });
    expect(await pkgdir.index({ full: true })).toMatchObject({ removed: [path] });
  });

  it('keeps the header of an index that is there', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    pkgdir.edit((text) =>
      text.replace('ARCH: amd64', 'ACCEPT_LICENSE: *\nARCH: amd64\nPROFILE: web'),
    );
    await pkgdir.put('app-misc/b-1');
    await pkgdir.index();
    expect(pkgdir.text().split('\n\n')[0]).toBe(
      `ACCEPT_LICENSE: *\nARCH: amd64\nCHOST: x86_64-pc-linux-gnu\nPACKAGES: 2\nPROFILE: web\nTIMESTAMP: ${NOON + 6}\nVERSION: 0`,
    );
  });

  it('takes both layouts and the folder All', async () => {
    const paths = [
      await pkgdir.put('app-misc/a-1', { path: 'app-misc/a-1.gpkg.tar' }),
      await pkgdir.put('app-misc/a-2', { path: 'app-misc/a/a-2-7.gpkg.tar' }),
      await pkgdir.put('app-misc/b-1', { path: 'All/b-1.gpkg.tar' }),
    ];
    await pkgdir.index();
    expect([...pkgdir.entries().keys()]).toEqual(paths);
    expect(await pkgdir.index()).toMatchObject({ written: false });
  });

  it('passes over what Portage passes over, and says why', async () => {
    const good = await pkgdir.put('app-misc/a-1');
    await pkgdir.put('app-misc/a-1', { path: '.hidden/a/a-1-1.gpkg.tar' });
    await pkgdir.put('app-misc/a-1', { path: 'app-misc/a/.a-1-1.gpkg.tar' });
    await pkgdir.put('app-misc/a-1', { path: 'app-misc/b/a-1-1.gpkg.tar' });
    await pkgdir.put('app-misc/a-1', { path: 'app-misc/a/a-1.gpkg.tar' });
    await pkgdir.put('app-misc/a-1', { path: 'app-misc/a-1-1.gpkg.tar' });
    await pkgdir.put('app-misc/a-1', { path: 'app-misc/a/deep/a-1-1.gpkg.tar' });
    await pkgdir.put('app-misc/a-1', { path: 'app-misc/a/a-2-1.gpkg.tar' });
    await pkgdir.put('app-misc/a-1', { path: 'dev-libs/a/a-1-1.gpkg.tar' });
    writeFileSync(pkgdir.file('app-misc/a/a-1-2.gpkg.tar'), '');
    symlinkSync('a-1-1.gpkg.tar', pkgdir.file('app-misc/a/a-1-3.gpkg.tar'));
    symlinkSync('app-misc', pkgdir.file('sys-apps'));
    writeFileSync(pkgdir.file('app-misc/a/README'), 'text');
    const { ignored, refused } = await pkgdir.index();
    expect([...pkgdir.entries().keys()]).toEqual([good]);
    expect(ignored.map(({ path }) => path).toSorted()).toEqual([
      '.hidden/a/a-1-1.gpkg.tar',
      'app-misc/a-1-1.gpkg.tar',
      'app-misc/a/.a-1-1.gpkg.tar',
      'app-misc/a/a-1-2.gpkg.tar',
      'app-misc/a/a-1-3.gpkg.tar',
      'app-misc/a/a-1.gpkg.tar',
      'app-misc/a/deep/',
      'app-misc/b/a-1-1.gpkg.tar',
    ]);
    expect(refused.map(({ path, code }) => `${path} ${code}`)).toEqual([
      'app-misc/a/a-2-1.gpkg.tar package-misplaced',
      'dev-libs/a/a-1-1.gpkg.tar package-misplaced',
    ]);
    expect(ignored.every(({ reason }) => reason.length > 10)).toBe(true);
  });

  it.each([
    ['a damaged container', async () => await forge({ manifest: () => 'DATA nothing' })],
    [
      'metadata that are not those of the Manifest',
      async () => await forge({ manifest: otherMetadata }),
    ],
    ['a member that no Manifest lists', async () => await forge({ members: withUnlisted })],
    ['no package at all', async () => Buffer.from('text')],
    ['a missing SLOT', async () => await forgeWith({ SLOT: undefined })],
    ['a BUILD_ID that is none', async () => await forgeWith({ BUILD_ID: 'one' })],
    ['a broken dependency', async () => await forgeWith({ RDEPEND: '( dev-libs/a' })],
    ['an atom for many packages', async () => await forgeWith({ RDEPEND: 'dev-libs/*' })],
    ['an atom that is none', async () => await forgeWith({ RDEPEND: 'dev-libs/a-1.0' })],
    ['a control character', async () => await forgeWith({ KEYWORDS: 'amd64\u0001' })],
  ])('leaves out %s, and the others are indexed', async (_, bytes) => {
    const good = await pkgdir.put('app-misc/a-1');
    const bad = 'app-misc/hello/hello-1.0-r1-3.gpkg.tar';
    writeFileSync(join(parent, 'bad'), await bytes());
    pkgdir.place(join(parent, 'bad'), bad, NOON);
    const { refused } = await pkgdir.index();
    expect(refused.map(({ path }) => path)).toEqual([bad]);
    expect([...pkgdir.entries().keys()]).toEqual([good]);
    expect(await pkgdir.index()).toMatchObject({ written: false });
  });

  it('takes a BUILD_ID that Python takes for a number', async () => {
    for (const [pf, id] of [
      ['a-1', '007'],
      ['a-2', '+1_0\n'],
      ['a-3', '-3'],
      ['a-4', '99999999999999999999'],
    ] as const) {
      const path = `app-misc/a/${pf}-1.gpkg.tar`;
      await pkgdir.put(`app-misc/${pf}`, { path, metadata: { BUILD_ID: id } });
    }
    await pkgdir.index();
    const ids = [...pkgdir.entries().values()].map(({ BUILD_ID }) => BUILD_ID);
    expect(ids).toEqual(['7', '10', '-3', '99999999999999999999']);
  });

  it('follows a package that was moved or is there under two names', async () => {
    const path = await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    renameSync(pkgdir.file(path), pkgdir.file('app-misc/a-1.gpkg.tar'));
    await pkgdir.index();
    expect([...pkgdir.entries().keys()]).toEqual(['app-misc/a-1.gpkg.tar']);
    linkSync(pkgdir.file('app-misc/a-1.gpkg.tar'), pkgdir.file(path));
    expect(await pkgdir.index()).toMatchObject({ same: [{ cpv: 'app-misc/a-1' }], packages: 1 });
    expect([...pkgdir.entries().keys()]).toEqual([path]);
    expect(await pkgdir.index()).toMatchObject({ written: false, packages: 1 });
  });

  it('indexes of many names of one package the one that the system lists last, as Portage does', async () => {
    const path = await pkgdir.put('app-misc/a-1');
    for (let id = 2; id < 20; id += 1) {
      linkSync(pkgdir.file(path), pkgdir.file(placeOf('app-misc/a-1', String(id))));
    }
    const { stdout } = await run(['ls', '-U', pkgdir.file('app-misc/a')], {
      env: toolEnvironment(),
    });
    const last = stdout.toString('utf8').trim().split('\n').at(-1) ?? '';
    await pkgdir.index();
    expect([...pkgdir.entries().keys()]).toEqual([`app-misc/a/${last}`]);
  });

  it('names two packages with one CPV and BUILD_ID, and keeps both', async () => {
    const one = await pkgdir.put('app-misc/a-1', { path: placeOf('app-misc/a-1', '1') });
    const two = await pkgdir.put('app-misc/a-1', { path: placeOf('app-misc/a-1', '2') });
    expect(await pkgdir.index()).toMatchObject({
      duplicates: [{ cpv: 'app-misc/a-1', paths: [one, two] }],
    });
    expect([...pkgdir.entries().keys()]).toEqual([one, two]);
  });

  it('repairs an index that hides or doubles entries, or is of an unknown version', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.put('app-misc/b-1');
    await pkgdir.index();
    const right = pkgdir.entries();
    const edits: readonly ((text: string) => string)[] = [
      (text) => text.replace('\n\nBUILD_ID', '\n\n\nBUILD_ID'),
      (text) => text + text.slice(text.indexOf('BUILD_ID')),
      (text) => text.replace('VERSION: 0', 'VERSION: 1'),
      (text) => text.replace('CPV: app-misc/a-1', 'CPV: app-misc/a'),
      (text) => text.replace(/^MD5: .*\n/m, ''),
      (text) => text.replace('CPV: app-misc/a-1', 'CPV app-misc/a-1'),
      (text) => text.replaceAll('\n', '\r\n'),
      () => '',
      () => '\0\n\0',
    ];
    for (const edit of edits) {
      pkgdir.edit(edit);
      const { written } = await pkgdir.index();
      expect([written, pkgdir.entries()]).toEqual([true, right]);
      expect(pkgdir.compressedText()).toBe(pkgdir.text());
    }
  });

  it('drops what does not belong into an entry when it writes the next time', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    const right = [...pkgdir.entries().values()];
    pkgdir.edit((text) =>
      text.replace('REPO: lab', 'REPO: lab\nREPO_REVISIONS: {}').replace('SIZE', 'IUSE: \nSIZE'),
    );
    await pkgdir.put('app-misc/b-1');
    await pkgdir.index();
    expect([...pkgdir.entries().values()].slice(0, 1)).toEqual(right);
    expect(pkgdir.text()).not.toMatch(/REPO_REVISIONS|IUSE/);
  });

  it('writes again when Packages.gz is missing or of another time', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    pkgdir.remove('Packages.gz');
    expect(await pkgdir.index()).toMatchObject({
      written: true,
      added: [],
      changed: [],
      removed: [],
    });
    utimesSync(pkgdir.file('Packages.gz'), 1, 1);
    expect(await pkgdir.index()).toMatchObject({ written: true });
    expect(await pkgdir.index()).toMatchObject({ written: false });
  });

  it('reads a package without a repository anew, and does not write for it', async () => {
    await pkgdir.put('app-misc/a-1', { metadata: { repository: '' } });
    expect(await pkgdir.index()).toMatchObject({ written: true });
    expect(await pkgdir.index()).toMatchObject({ written: false, changed: [] });
  });

  it('says where an old XPAK lies that the index has without a PATH', async () => {
    const bytes = await forge();
    writeFileSync(join(parent, 'xpak'), xpakOf({ ...METADATA, BUILD_ID: '' }, bytes));
    pkgdir.place(join(parent, 'xpak'), 'app-misc/hello-1.0-r1.tbz2', NOON);
    await pkgdir.index();
    const right = pkgdir.entries();
    expect([...right.keys()]).toEqual(['app-misc/hello-1.0-r1.tbz2']);
    pkgdir.edit((text) => text.replace(/^PATH: .*\n/m, ''));
    expect(await pkgdir.index()).toMatchObject({ written: true });
    expect(pkgdir.entries()).toEqual(right);
  });

  it('gives the index the group rights of the folder', async () => {
    chmodSync(pkgdir.folder, 0o775);
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    expect(statSync(pkgdir.file('Packages')).mode & 0o777).toBe(0o664);
    expect(statSync(pkgdir.file('Packages.gz')).mode & 0o777).toBe(0o664);
  });

  it('leaves out packages that no accepted key signed, when it is given keys', async () => {
    for (const [pf, key] of [
      ['hello-1.0-r1', 'farm'],
      ['hello-1.0-r2', 'stranger'],
    ] as const) {
      const metadata = metadataTar({ ...METADATA, PF: pf, RDEPEND: '' });
      writeFileSync(join(parent, pf), await forge({ metadata, signer: new PretendKey(key) }));
      pkgdir.place(join(parent, pf), `app-misc/hello/${pf}-3.gpkg.tar`, NOON);
    }
    const { refused } = await pkgdir.index({ verifier: new PretendKey('farm') });
    expect(refused.map(({ path, code }) => `${path} ${code}`)).toEqual([
      'app-misc/hello/hello-1.0-r2-3.gpkg.tar gpkg-signature-unknown-key',
    ]);
  });

  it('says what is wrong with a folder that is none', async () => {
    const options = { clock: pkgdir.clock };
    for (const path of [join(parent, 'nowhere'), join(parent, 'file')]) {
      writeFileSync(join(parent, 'file'), '');
      await expect(indexPkgdir(path, options)).rejects.toMatchObject({ code: 'pkgdir-missing' });
    }
  });
});

/** The Manifest with another SHA512 for metadata.tar. */
function otherMetadata(manifest: string): string {
  return manifest.replace(/(DATA metadata.* SHA512 )[0-9a-f]{8}/, '$100000000');
}

function withUnlisted(usual: readonly RawMember[]): readonly RawMember[] {
  return [...usual, { name: 'more', content: 'more', unlisted: true }];
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An XPAK of these keys behind an image of any bytes (`portage/xpak.py`). */
function xpakOf(metadata: Readonly<Record<string, string>>, image: Buffer): Buffer {
  const index: Buffer[] = [];
  let at = 0;
  for (const [key, value] of Object.entries(metadata)) {
    index.push(number(key.length), Buffer.from(key), number(at), number(value.length));
    at += value.length;
  }
  const names = Buffer.concat(index);
  const data = Buffer.from(Object.values(metadata).join(''));
  const lengths = [number(names.length), number(data.length)];
  const segment = Buffer.concat(['XPAKPACK', ...lengths, names, data, 'XPAKSTOP'].map(toBytes));
  return Buffer.concat([image, segment, number(segment.length), Buffer.from('STOP')]);
}

function toBytes(part: string | Buffer): Buffer {
  return Buffer.from(part);
}

async function forgeWith(changes: Readonly<Record<string, string | undefined>>): Promise<Buffer> {
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...METADATA, ...changes })) {
    if (value !== undefined) {
      metadata[key] = value;
    }
  }
  return await forge({ metadata: metadataTar(metadata) });
}
