import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type BinhostCheck, checkBinhost } from '../../src/cli/check-binhost.ts';
import { isGpgInstalled } from '../../src/signing/gpg-check.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import {
  entryOf,
  type IndexOptions,
  indexOf,
  type MadePackage,
  makePackage,
  makeSigner,
  serveBinhost,
} from './made-binhost.ts';
import { runProgram } from './run-program.ts';

stopFarmServersAfterEach();
const folder = temporaryFolder();
const gpgTest = (await isGpgInstalled()) ? it : it.skip;
const CPVS = ['app-misc/web-1.0', 'app-misc/hello+-2.0', 'dev-libs/lib-1.0'] as const;
let signer: Signer;
let packages: readonly MadePackage[];

beforeAll(async () => {
  signer = await makeSigner(folder, 'farm');
  packages = await Promise.all(CPVS.map((cpv) => makePackage(folder, cpv, signer)));
});

async function check(uri: string, gpg = 'no-such-gpg'): Promise<BinhostCheck> {
  return await checkBinhost({ uri, publicKey: signer.publicKey, gpg });
}

/** The faults of a binhost in which the first package was replaced. */
async function faultsWith(replaced: MadePackage, options: IndexOptions = {}): Promise<string[]> {
  const made = [replaced, ...packages.slice(1)];
  const server = await startFarmServer();
  const result = await check(serveBinhost(server, made, indexOf(made.map(entryOf)), options));
  return result.faults.map(({ subject, code }) => `${subject}: ${code}`);
}

describe('a binhost as it should be', () => {
  it('passes, and it says how much was compared', async () => {
    const server = await startFarmServer();
    const uri = serveBinhost(server, packages, indexOf(packages.map(entryOf)));
    const progress: number[] = [];
    const result = await checkBinhost({
      uri: `${uri}/`,
      publicKey: signer.publicKey,
      gpg: 'no-such-gpg',
      onPackage: (done) => progress.push(done),
    });
    expect(result.faults).toEqual([]);
    expect(result).toMatchObject({ packages: 3, timestamp: 1_795_000_000 });
    expect(progress).toEqual([1, 2, 3]);
    expect(result.checks).toBe(4 + 3 * (3 + 5 * 2 + 3 + 1));
    expect(result.skipped).toEqual(['the signatures with gpg: it is not installed']);
  });

  gpgTest(
    'passes the signatures through gpg as well (skipped where gpg is not installed)',
    async () => {
      const server = await startFarmServer();
      const result = await check(
        serveBinhost(server, packages, indexOf(packages.map(entryOf))),
        'gpg',
      );
      expect([result.faults, result.skipped]).toEqual([[], []]);
      expect(result.checks).toBe(4 + 3 * (3 + 5 * 2 + 3 + 1 + 3));
    },
  );

  it('needs the room of as many packages as are checked at a time', async () => {
    const work = join(folder, 'room');
    mkdirSync(work);
    const server = await startFarmServer();
    const uri = serveBinhost(server, packages, indexOf(packages.map(entryOf)));
    const counts: number[] = [];
    await checkBinhost({
      uri,
      publicKey: signer.publicKey,
      gpg: 'no-such-gpg',
      workFolder: work,
      parallel: 1,
      onPackage: () => counts.push(readdirSync(work, { recursive: true }).length),
    });
    expect(counts).toEqual([1, 1, 1]);
  });

  it('leaves nothing behind, whatever it found', async () => {
    const work = join(folder, 'work');
    mkdirSync(work);
    const made = [{ ...first(), bytes: withChangedImage(first()) }];
    const server = await startFarmServer();
    const uri = serveBinhost(server, made, indexOf(made.map(entryOf)));
    const options = { uri, publicKey: signer.publicKey, gpg: 'no-such-gpg', workFolder: work };
    const { faults } = await checkBinhost(options);
    expect([faults.length, readdirSync(work)]).toEqual([1, []]);
  });
});

describe('a bad package is named', () => {
  it('when one byte of its image was changed and the index was made to fit', async () => {
    const bytes = withChangedImage(first());
    const [fault, ...others] = await faultsWith({ ...first(), bytes });
    expect(fault).toMatch(/^app-misc\/web-1\.0-1: gpkg-|^app-misc\/web-1\.0-1: signature-/);
    expect(others).toEqual([]);
  });

  it('when it is not signed, or signed by another key', async () => {
    const unsigned = await makePackage(folder, first().cpv, undefined);
    const foreign = await makePackage(folder, first().cpv, await makeSigner(folder, 'other'));
    expect(await faultsWith(unsigned)).toEqual([
      expect.stringMatching(/^app-misc\/web-1\.0-1: .*sign/),
    ]);
    expect(await faultsWith(foreign)).toEqual(['app-misc/web-1.0-1: gpkg-signature-unknown-key']);
  });

  it('when it is a good package of another name', async () => {
    const other = await makePackage(folder, 'app-misc/web-0.9', signer);
    const made = [{ ...other, cpv: 'app-misc/web-1.0' }];
    const server = await startFarmServer();
    const result = await check(serveBinhost(server, made, indexOf(made.map(entryOf))));
    expect(result.faults).toMatchObject([
      {
        subject: 'app-misc/web-1.0-1',
        code: 'identity-differs',
        sentence: 'The package inside is app-misc/web-0.9, the index says app-misc/web-1.0.',
      },
    ]);
  });

  it.each([
    [
      'is longer than SIZE',
      (made: MadePackage) => Buffer.concat([made.bytes, Buffer.alloc(512)]),
      ['size-differs', 'digest-differs', 'digest-differs'],
    ],
    [
      'is shorter than SIZE',
      (made: MadePackage) => made.bytes.subarray(0, -512),
      ['size-differs', 'digest-differs', 'digest-differs'],
    ],
    [
      'has other bytes',
      (made: MadePackage) => Buffer.from(made.bytes).fill(0, 100, 101),
      ['digest-differs', 'digest-differs'],
    ],
  ])('when it %s', async (_, change, codes) => {
    const server = await startFarmServer();
    const index = indexOf(packages.map(entryOf));
    const made = [{ ...first(), bytes: change(first()) }, ...packages.slice(1)];
    const result = await check(serveBinhost(server, made, index));
    expect(result.faults.map(({ subject, code }) => [subject, code])).toEqual(
      codes.map((code) => ['app-misc/web-1.0-1', code]),
    );
  });

  it('when it is not there, breaks off, or has a path that leads out', async () => {
    const server = await startFarmServer();
    const index = indexOf(packages.map(entryOf)).replace('PATH: dev-libs/', 'PATH: ../dev-libs/');
    const uri = serveBinhost(server, packages.slice(1, 2), index);
    server.on(`GET /binhost/web-v3/stable/${packages[1]?.path ?? ''}`, (_, response) => {
      response.writeHead(200, { 'content-length': '99999' });
      response.write('x', () => response.destroy());
    });
    const result = await check(uri);
    expect(result.faults.map(({ subject, code }) => `${subject}: ${code}`).toSorted()).toEqual([
      'app-misc/hello+-2.0-1: connection-lost',
      'app-misc/web-1.0-1: binhost-unreadable',
      'dev-libs/lib-1.0-1: index-path-invalid',
    ]);
  });
});

describe('a bad index', () => {
  it.each<[string, IndexOptions, string[]]>([
    ['differs from its packed form', { plain: 'other' }, ['index-differs']],
    [
      'has another time than its TIMESTAMP',
      { lastModified: 1_795_000_001 },
      ['index-time-differs', 'index-time-differs'],
    ],
  ])('is a fault when it %s', async (_, options, codes) => {
    const faults = await faultsWith(packages[0] ?? fail(), options);
    expect(faults).toEqual(codes.map((code) => `Packages: ${code}`));
  });

  it('is an error when it cannot be read', async () => {
    const server = await startFarmServer();
    await expect(check(`${server.url}/none`)).rejects.toMatchObject({ code: 'binhost-unreadable' });
    const uri = serveBinhost(server, [], 'no index');
    await expect(check(uri)).rejects.toMatchObject({ code: 'invalid-packages-index' });
    serveBinhost(server, packages, '', { headers: { 'content-encoding': 'gzip' } });
    await expect(check(uri)).rejects.toThrow('a node would unpack it twice');
    server.on('GET /binhost/web-v3/stable/Packages.gz', (_, response) => response.end('plain'));
    await expect(check(uri)).rejects.toMatchObject({ code: 'binhost-unreadable' });
  });
});

describe('rookery client check', () => {
  it('finds binhost and key by profile and channel, and says which checks ran', async () => {
    const { server, uri } = await serve(packages);
    const env = { ROOKERY_SERVER: server.url };
    const result = await runProgram(['client', 'check', 'web-v3', 'stable'], { env });
    expect(result.code).toBe(0);
    expect(result.stdout).toContain(`${uri}: 3 packages, `);
    expect(result.stdout).toContain('  ran      SIZE, MD5 and SHA1 of each package\n');
    expect(result.stdout).toContain('everything is as it should be\n');
    expect(result.stderr).toContain('checking: 3 of 3\n');
  });

  it('exits with 1 naming each bad package', async () => {
    const { uri } = await serve(packages.slice(2));
    const result = await runProgram(['client', 'check', uri]);
    expect(result.code).toBe(1);
    expect(result.stdout.match(/^ {2}BAD .*/gm)).toHaveLength(2);
    expect(result.stderr).toContain('is not what a node may trust: ');
    expect(result.stderr).toContain('app-misc/web-1.0-1');
    expect(result.stderr).toContain('app-misc/hello+-2.0-1');
    expect(result.stderr).not.toContain('dev-libs');
    expect(result.stderr).toContain(' [binhost-check-failed]\n');
  });

  it('trusts the key that it is given', async () => {
    const { uri } = await serve(packages);
    const other = await makeSigner(folder, 'another');
    writeFileSync(join(folder, 'other.asc'), other.publicKey);
    const words = ['client', 'check', uri, '--key', join(folder, 'other.asc'), '--json'];
    const result = await runProgram(words);
    expect(result.code).toBe(1);
    const { faults } = JSON.parse(result.stdout);
    expect(faults).toMatchObject(CPVS.map(() => ({ code: 'gpkg-signature-unknown-key' })));
  });

  it('wants a channel with a profile', async () => {
    const result = await runProgram(['client', 'check', 'web-v3']);
    expect(result.stderr).toContain('name its channel as well. [binhost-not-named]\n');
  });
});

async function serve(made: readonly MadePackage[]): Promise<{ server: FarmServer; uri: string }> {
  const server = await startFarmServer();
  const uri = serveBinhost(server, made, indexOf(packages.map(entryOf)));
  server.on('GET /keys/rookery.asc', (_, response) => response.end(signer.publicKey));
  server.answer('GET /api/profiles/web-v3/channels/stable', {
    profile: 'web-v3',
    channel: 'stable',
    uri,
    current: null,
    publications: [],
  });
  return { server, uri };
}

function withChangedImage({ bytes: original }: MadePackage): Buffer {
  const bytes = Buffer.from(original);
  const at = bytes.indexOf('image.tar.zst') + 512 + 20;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

function first(): MadePackage {
  return packages[0] ?? fail();
}

function fail(): never {
  throw new Error('the packages were not made');
}
