import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type ByteSource, memorySource, openByteSource } from '../../src/binpkg/byte-source.ts';
import { type PackageContents, readPackageContents } from '../../src/binpkg/diff-contents.ts';
import { diffPackages } from '../../src/binpkg/diff-packages.ts';
import { GPKG_REFUSALS } from '../../src/binpkg/gpkg/refusals.ts';
import type { VerifyOptions } from '../../src/binpkg/gpkg/verify.ts';
import { readMetadata } from '../../src/binpkg/metadata.ts';
import { packageFormat } from '../../src/binpkg/package-file.ts';
import { convertXpak } from '../../src/binpkg/xpak/convert.ts';
import { XPAK_REFUSALS } from '../../src/binpkg/xpak/refusals.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { systemClock } from '../../src/support/clock.ts';
import { isAppError } from '../../src/support/errors.ts';
import { folderTree } from '../support/folder-tree.ts';
import { often } from '../support/long-tests.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  forge,
  IMAGE,
  METADATA,
  MTIME,
  metadataTar,
  paxEntry,
  type RawEntry,
  type RawMember,
  signatureOf,
  tar,
} from './made-package.ts';
import { keysOf, makeXpak, xpakImage } from './made-xpak.ts';
import { BYTE_MUTATIONS, Dice, mutated, TAR_MUTATIONS } from './mutate.ts';

const BYTE_CASES = often(6000, 4000);
const CONTAINER_CASES = often(2500, 2000);
const INNER_CASES = often(3000, 2000);
const XPAK_CASES = often(3500, 2500);
/** Of accepted XPAKs, one in so many is converted too, which costs several syncs of the disk. */
const CONVERT_EVERY = 12;
const MEMORY_CAP_BYTES = 512 * 1024 * 1024;
const STORED_BLOCK_BYTES = 64 * 1024;
const SEED = 20_260_801;

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(GPKG_REFUSALS),
  ...Object.keys(XPAK_REFUSALS),
  'package-format-unknown',
  'package-invalid-cpv',
  'package-invalid-metadata',
]);
const folder = temporaryFolder();
const outside = join(folder, 'outside');
const work = join(folder, 'work');
mkdirSync(outside);
mkdirSync(work);
writeFileSync(join(outside, 'victim'), 'untouched');
const before = folderTree(outside);

interface Sample {
  readonly name: string;
  readonly bytes: Buffer;
  readonly options: VerifyOptions;
}

const IMAGE_ENTRIES: readonly RawEntry[] = [
  ...IMAGE,
  paxEntry({ path: `image/usr/${'long/'.repeat(30)}name` }),
  { name: 'image/cut', content: 'of a long name' },
  { name: 'image/usr/link', typeflag: '2', linkname: join(outside, 'victim') },
  { name: 'image/usr/data', content: Buffer.alloc(3000, 'data') },
];
/** Short, so that most mutations hit what matters. */
const END = Buffer.alloc(1024);
let signed: readonly Sample[] = [];
let unsigned: readonly Sample[] = [];
let xpaks: readonly Sample[] = [];

beforeAll(async () => {
  const signer = await openSigner({
    folder: join(folder, 'signing'),
    name: 'Test',
    email: 'test@example.org',
    validDays: 30,
    clock: systemClock,
  });
  signed = await signedSamples(signer);
  unsigned = await unsignedSamples();
  xpaks = xpakSamples();
});

async function signedSamples(signer: Signer): Promise<readonly Sample[]> {
  const verifier = await createVerifier([signer.publicKey]);
  const options: VerifyOptions = { verifier, signatures: 'required' };
  const extra = { name: 'provenance.json', content: '{"from":"here"}' };
  return [
    {
      name: 'signed',
      options,
      bytes: await forge({
        signer,
        end: END,
        members: () => [
          { name: 'gpkg-1' },
          ...storedMembers().flatMap((member) => [member, signatureOf(member, signer)]),
        ],
      }),
    },
    {
      name: 'signed, with another member',
      options,
      bytes: await forge({
        signer,
        end: END,
        base: 'other-2',
        metadata: metadataTar({ ...METADATA, PF: 'other-2\n', SLOT: '3\n' }),
        members: (usual) => [...usual, extra, signatureOf(extra, signer)],
      }),
    },
  ];
}

function storedMembers(): readonly RawMember[] {
  return [
    { name: 'metadata.tar.zst', content: stored(metadataTar()) },
    { name: 'image.tar.zst', content: stored(tar(IMAGE_ENTRIES)) },
  ];
}

/** A zstd frame of raw blocks without a checksum (RFC 8878, 3.1.1): what is changed in it comes out changed. */
function stored(bytes: Buffer): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length, 5);
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += STORED_BLOCK_BYTES) {
    const piece = bytes.subarray(at, at + STORED_BLOCK_BYTES);
    const isLast = at + piece.length === bytes.length;
    const header = Buffer.alloc(3);
    header.writeUIntLE(piece.length * 8 + (isLast ? 1 : 0), 0, 3);
    blocks.push(header, piece);
  }
  return Buffer.concat([head, ...blocks]);
}

async function unsignedSamples(): Promise<readonly Sample[]> {
  return [
    { name: 'gzip', options: {}, bytes: await forge({ image: tar(IMAGE_ENTRIES), end: END }) },
    {
      name: 'zstd in the GNU format',
      options: {},
      bytes: await forge({
        end: END,
        members: () => [{ name: 'gpkg-1' }, ...storedMembers()],
        order: (entries) => entries.map((entry) => ({ ...entry, magic: 'gnu' as const })),
      }),
    },
    {
      name: 'in reverse',
      options: {},
      bytes: await forge({ end: END, order: (entries) => entries.toReversed() }),
    },
  ];
}

function xpakSamples(): readonly Sample[] {
  const image = xpakImage({ name: './data', content: Buffer.alloc(3000, 'data') });
  const keys = keysOf({ ...METADATA, 'environment.bz2': Buffer.from('BZh9 and more'), EMPTY: '' });
  return [
    { name: 'XPAK, gzip', options: {}, bytes: makeXpak({ keys, image: gzipSync(image) }) },
    { name: 'XPAK, zstd', options: {}, bytes: makeXpak({ keys, image: stored(image) }) },
    { name: 'XPAK, plain', options: {}, bytes: makeXpak({ keys, image }) },
  ];
}

async function read(source: ByteSource, options: VerifyOptions): Promise<PackageContents> {
  const format = await packageFormat(source);
  const contents = await readPackageContents({ format, source }, options);
  readMetadata(contents.metadata);
  return contents;
}

/** What a file turns out to be, or the code for which it is refused. Any other outcome fails the test. */
async function outcomeOf(
  bytes: Buffer,
  options: VerifyOptions,
  what: string,
): Promise<PackageContents | string> {
  try {
    return await read(memorySource(bytes), options);
  } catch (error) {
    if (!isAppError(error) || !KNOWN.has(error.code)) {
      throw new Error(`${what}: ${String(error)}`, { cause: error });
    }
    return error.code;
  }
}

function expectSame(found: PackageContents, original: PackageContents, what: string): void {
  const { files, keys } = diffPackages(original, found);
  if (files.length > 0 || keys.length > 0) {
    const names = [...files.map(({ path }) => path), ...keys.map(({ key }) => key)];
    throw new Error(`${what}: accepted as another package, which differs in ${names.join(', ')}`);
  }
}

/** A package that is not the original is still one that harms nobody. */
function expectHarmless({ files, metadata }: PackageContents, what: string): void {
  const paths = [...files.keys(), ...metadata.keys()];
  const wrong = paths.find((path) =>
    path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..'),
  );
  const key = [...metadata.keys()].find((name) => name.includes('/'));
  const through = [...files.keys()].find((path) => {
    const parents = path.split('/').slice(0, -1);
    return parents.some((_, depth) => {
      const parent = files.get(parents.slice(0, depth + 1).join('/'));
      return parent !== undefined && parent.type !== 'directory';
    });
  });
  if (wrong !== undefined || key !== undefined || through !== undefined) {
    throw new Error(`${what}: accepted with ${wrong ?? key ?? through ?? ''}`);
  }
}

interface Tally {
  cases: number;
  accepted: number;
  readonly codes: Set<string>;
  peakBytes: number;
}

/** Runs the cases over the samples in turn; `each` says what becomes of one. */
async function run(
  samples: readonly Sample[],
  cases: number,
  each: (sample: Sample, dice: Dice, what: string) => Promise<PackageContents | string>,
): Promise<Tally> {
  const tally: Tally = { cases: 0, accepted: 0, codes: new Set(), peakBytes: 0 };
  for (let index = 0; index < cases; index += 1) {
    const sample = samples[index % samples.length];
    if (sample === undefined) {
      throw new Error('there are no samples');
    }
    const seed = SEED + index;
    const outcome = await each(sample, new Dice(seed), `${sample.name}, seed ${seed}`);
    tally.cases += 1;
    if (typeof outcome === 'string') {
      tally.codes.add(outcome);
    } else {
      tally.accepted += 1;
    }
    if (index % 250 === 0) {
      tally.peakBytes = Math.max(tally.peakBytes, process.memoryUsage().rss);
    }
  }
  return tally;
}

function expectSafe(tally: Tally, startBytes: number): void {
  expect(tally.peakBytes - startBytes).toBeLessThan(MEMORY_CAP_BYTES);
  expect(tally.codes.size).toBeGreaterThan(5);
  expect(folderTree(outside)).toEqual(before);
  expect(readdirSync(work)).toEqual([]);
  expect(readdirSync(folder).toSorted()).toEqual(['outside', 'signing', 'work']);
}

async function neverAnother(
  samples: readonly Sample[],
  cases: number,
  mutations: typeof BYTE_MUTATIONS,
): Promise<Tally> {
  const originals = new Map<Sample, PackageContents>();
  for (const sample of samples) {
    originals.set(sample, await read(memorySource(sample.bytes), sample.options));
  }
  const others = samples.map(({ bytes }) => bytes);
  return await run(samples, cases, async (sample, dice, what) => {
    const { bytes, steps } = mutated(sample.bytes, mutations, { dice, others });
    const about = `${what}, ${steps.join(' + ')}`;
    const outcome = await outcomeOf(bytes, sample.options, about);
    const original = originals.get(sample);
    if (typeof outcome !== 'string' && original !== undefined) {
      expectSame(outcome, original, about);
    }
    return outcome;
  });
}

async function expectConverts(
  bytes: Buffer,
  original: PackageContents,
  what: string,
): Promise<void> {
  const out = join(work, 'converted.gpkg.tar');
  await convertXpak({ source: memorySource(bytes), out, mtimeSeconds: MTIME });
  const source = await openByteSource(out);
  expectSame(await read(source, {}), original, what);
  await source.close();
  rmSync(out);
}

describe('mutated packages', () => {
  it('with signatures are refused with a known code, or are what was signed', async () => {
    const start = process.memoryUsage().rss;
    const byBytes = await neverAnother(signed, BYTE_CASES / 2, BYTE_MUTATIONS);
    const byMembers = await neverAnother(signed, CONTAINER_CASES / 2, TAR_MUTATIONS);

    expectSafe(byBytes, start);
    expectSafe(byMembers, start);
  }, 120_000);

  it('without signatures are refused, or are what their digests say', async () => {
    const start = process.memoryUsage().rss;
    const byBytes = await neverAnother(unsigned, BYTE_CASES / 2, BYTE_MUTATIONS);
    const byMembers = await neverAnother(unsigned, CONTAINER_CASES / 2, TAR_MUTATIONS);

    expectSafe(byBytes, start);
    expectSafe(byMembers, start);
    expect(byBytes.accepted).toBeGreaterThan(0);
  }, 120_000);

  it('whose digests were made to fit the mutated archives harm nobody', async () => {
    const start = process.memoryUsage().rss;
    const archives = { metadata: metadataTar(), image: tar(IMAGE_ENTRIES) };
    const samples = (['metadata', 'image'] as const).map((name) => ({
      name,
      bytes: archives[name],
      options: {},
    }));
    const others = Object.values(archives);
    const tally = await run(samples, INNER_CASES, async (sample, dice, what) => {
      const kinds = dice.of([TAR_MUTATIONS, TAR_MUTATIONS, BYTE_MUTATIONS]);
      const { bytes, steps } = mutated(sample.bytes, kinds, { dice, others });
      const about = `${what}, ${steps.join(' + ')}`;
      const forged = await forge({ ...archives, [sample.name]: bytes });
      const outcome = await outcomeOf(forged, {}, about);
      if (typeof outcome !== 'string') {
        expectHarmless(outcome, about);
      }
      return outcome;
    });

    expectSafe(tally, start);
    expect(tally.accepted).toBeGreaterThan(50);
  }, 120_000);
});

describe('mutated XPAKs', () => {
  it('are refused, or harm nobody and convert into what they are', async () => {
    const start = process.memoryUsage().rss;
    const others = xpaks.map(({ bytes }) => bytes);
    const plain = { ...BYTE_MUTATIONS, ...TAR_MUTATIONS };
    let accepted = 0;
    const tally = await run(xpaks, XPAK_CASES, async (sample, dice, what) => {
      const kinds = sample.name.endsWith('plain') ? plain : BYTE_MUTATIONS;
      const { bytes, steps } = mutated(sample.bytes, kinds, { dice, others });
      const about = `${what}, ${steps.join(' + ')}`;
      const outcome = await outcomeOf(bytes, {}, about);
      if (typeof outcome !== 'string') {
        expectHarmless(outcome, about);
        accepted += 1;
        if (accepted % CONVERT_EVERY === 0) {
          await expectConverts(bytes, outcome, about);
        }
      }
      return outcome;
    });

    expectSafe(tally, start);
    expect(tally.accepted).toBeGreaterThan(CONVERT_EVERY);
  }, 120_000);
});

describe('the samples', () => {
  it('make ten thousand cases and more', () => {
    expect(BYTE_CASES + CONTAINER_CASES + INNER_CASES + XPAK_CASES).toBeGreaterThan(10_000);
  });
});
