import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { writeContainer } from '../../src/binpkg/gpkg/container-writer.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { makePackage } from './make-package.ts';
import { type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
let installation: Installation;
let count = 0;

beforeAll(async () => {
  await mkdir(made);
  installation = await openInstallation(folder, new ManualClock());
});

afterAll(async () => {
  await installation.close();
});

async function pushWith(metadata: Record<string, string>, profile = 'web'): Promise<string> {
  count += 1;
  const file = await makePackage(made, `app-misc/rules-${count}`, { metadata });
  return (await push(installation.repository, file, { profile })).package.id;
}

describe('the metadata of a package', () => {
  it.each([
    ['RDEPEND', '( || foo', 'foo'],
    ['DEPEND', 'dev-libs/a )', ')'],
    ['BDEPEND', 'not-an-atom', 'not-an-atom'],
    ['IDEPEND', '>=dev-libs/a', '>=dev-libs/a'],
    ['PDEPEND', 'dev-libs/a::repo', 'dev-libs/a::repo'],
    ['LICENSE', '( ||', ''],
    ['LICENSE', 'MIT <script>', '<script>'],
    ['RESTRICT', 'mirror ( test', ''],
    ['RESTRICT', '|| ( mirror test )', '||'],
    ['PROPERTIES', 'live )', ')'],
    ['PROPERTIES', 'a/b', 'a/b'],
    ['SLOT', '0/1/2', '0/1/2'],
    ['USE', 'ssl a/b', 'a/b'],
    ['IUSE', '+ssl -+x', '-+x'],
    ['KEYWORDS', 'amd64 ~~x86', '~~x86'],
  ])('with %s="%s" is refused and nothing is published', async (key, value, part) => {
    const text = expect.stringContaining(part);
    await expect(pushWith({ [key]: `${value}\n` })).rejects.toMatchObject({
      code: 'package-invalid-metadata',
      message: expect.stringContaining(key),
      details: expect.objectContaining({ key, value: text }),
    });
  });

  it.each([
    ['RDEPEND', '>=dev-libs/a-1.2:0/2= !<dev-libs/b-3 || ( a/b[x(+)] ( c/d e/f:* ) ) virtual/x:='],
    ['KEYWORDS', 'amd64 ~arm64 -* -x86 **  ~x64-macos'],
    ['KEYWORDS', ''],
    ['LICENSE', '|| ( GPL-2+ LGPL-2.1+ ) BSD Apache-2.0-with-LLVM-exceptions ( MIT ) Clear-BSD'],
    ['RESTRICT', 'bindist? ( bindist ) !test? ( test ) mirror'],
    ['PROPERTIES', 'interactive live test_network'],
    [
      'USE',
      'abi_x86_64 cpu_flags_x86_sse4_1 python_targets_python3_12 php_targets_php8-3 l10n_ca@valencia',
    ],
    ['IUSE', '+ssl -x elibc_musl llvm_slot_19 postgres_targets_postgres16'],
    ['SLOT', '0/1.1.3-r1+x'],
  ])('with %s="%s" is accepted', async (key, value) => {
    await expect(pushWith({ [key]: `${value}\n` })).resolves.toEqual(expect.any(String));
  });
});

describe('the instruction set of a package', () => {
  it.each([
    ['-O2 -march=znver5', 'znver5', 'x86-64-v4'],
    ['-march=x86-64 -march=haswell', 'haswell', 'x86-64-v3'],
  ])('that asks for more than the profile (%s) is refused', async (flags, march, level) => {
    await expect(pushWith({ CFLAGS: `${flags}\n` }, 'v2')).rejects.toMatchObject({
      code: 'package-wrong-instruction-set',
      message: expect.stringMatching(new RegExp(`-march=${march}.*${level}.*-march=x86-64-v2`)),
      details: { march, expected: 'x86-64-v2' },
    });
  });

  it.each([
    ['-O2 -march=x86-64-v2', 'v2'],
    ['-O2 -march=nehalem', 'v2'],
    ['-O2 -march=core2', 'v2'],
    ['-O2 -march=native', 'v2'],
    ['-O2 -march=brandnew9000', 'v2'],
    ['-O2', 'v2'],
    ['-O2 -march=znver5', 'web'],
  ])('%s belongs into the profile %s', async (flags, profile) => {
    await expect(pushWith({ CFLAGS: `${flags}\n` }, profile)).resolves.toEqual(expect.any(String));
  });
});

/** The package with a further member, which its Manifest lists. */
async function withMember(file: string, name: string): Promise<string> {
  const out = `${file}.more.gpkg.tar`;
  const source = await openByteSource(file);
  try {
    const { base, metadataMember, imageMember } = await verifyGpkg(source);
    const about = { base, format: 'ustar', signer: undefined, mtimeSeconds: 1 } as const;
    await writeContainer(out, about, async (writer) => {
      for (const member of [metadataMember, imageMember]) {
        const { offset, size } = member;
        await writer.add(member.name, size, source.stream(offset, size));
      }
      await writer.add(name, 3, [Buffer.from('abc')]);
    });
  } finally {
    await source.close();
  }
  return out;
}

describe('a member that no package has', () => {
  it.each(['evil.sh', 'metadata.tar.foo', 'image.tar.zst.asc'])(
    'such as %s is never signed: the package is refused, though it verifies',
    async (name) => {
      const file = await withMember(await makePackage(made, 'app-misc/member-1'), name);
      const source = await openByteSource(file);
      const { members } = await verifyGpkg(source);
      await source.close();
      expect(members.map((member) => member.name)).toContain(name);

      await expect(push(installation.repository, file)).rejects.toMatchObject({
        code: 'package-unknown-member',
        message: expect.stringContaining(name),
        details: { members: [name] },
      });

      expect(await installation.repository.packagesByCpv('web', 'app-misc/member-1')).toEqual([]);
    },
  );
});

describe('the signed package itself', () => {
  it('is answered with what it is when it is pushed again, in its own profile only', async () => {
    const { repository, folders } = installation;
    const first = await push(repository, await makePackage(made, 'app-misc/own-1'));
    const bytes = await readFile(
      join(folders.mirrorRoot, 'binhost/web/packages', first.package.path),
    );
    const downloaded = join(made, 'downloaded.gpkg.tar');
    await writeFile(downloaded, bytes);

    const again = await push(repository, downloaded);
    const elsewhere = await push(repository, downloaded, { profile: 'old' });

    expect(again).toEqual({ package: first.package, created: false });
    const sha512 = createHash('sha512').update(bytes).digest('hex');
    expect(await repository.findPackageByUpload('web', sha512)).toEqual(first.package);
    expect(elsewhere).toMatchObject({ created: true, package: { profile: 'old' } });
    expect(await repository.packagesByCpv('web', 'app-misc/own-1')).toHaveLength(1);
  });
});
