/**
 * Package folders for measurements: the same at every run, with sizes as they are in real binhosts (many small
 * packages, few large ones) and metadata of the shape that Portage writes.
 */
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import binding from 'zstd-napi/binding.js';
import { tarEnd, tarEntryHeader, tarPadding } from '../../src/binpkg/archive/tar-writer.ts';
import { formatManifest, type ManifestRecord } from '../../src/binpkg/gpkg/manifest.ts';
import { metadataArchive } from '../../src/binpkg/gpkg/metadata-archive.ts';
import type { PackageSigner } from '../../src/binpkg/package-signer.ts';
import { DigestSet } from '../../src/support/digests.ts';

export const CHOST = 'x86_64-pc-linux-gnu';
const FIRST_BUILD = 1_780_000_000;
const CATEGORIES =
  'app-arch app-editors app-misc app-shells dev-db dev-lang dev-libs dev-perl dev-php dev-python dev-vcs media-libs net-analyzer net-dns net-libs net-misc sys-apps sys-devel sys-fs sys-libs www-servers'.split(
    ' ',
  );
const SYLLABLES = 'ka lo mi ter gen tu xi ra pho net lib crypt so na ve zip'.split(' ');
const KEYWORDS = '~alpha amd64 arm arm64 ~hppa ~loong ~mips ppc ppc64 ~riscv ~s390 ~sparc x86';
/** What the packages of one builder have in common. */
const SAME: readonly (readonly [key: string, value: string])[] = [
  ['BUILD_ID', '1'],
  ['CBUILD', `${CHOST}\n`],
  ['CFLAGS', '-march=x86-64-v3 -O2 -pipe\n'],
  ['CHOST', `${CHOST}\n`],
  ['DEFINED_PHASES', 'compile configure install prepare test\n'],
  ['EAPI', '8\n'],
  ['INHERITED', 'multilib toolchain-funcs flag-o-matic autotools multilib-minimal\n'],
  ['IUSE', 'abi_x86_32 +abi_x86_64 debug doc +ssl static-libs test\n'],
  [
    'IUSE_EFFECTIVE',
    `${'abi_x86_32 abi_x86_64 alpha amd64 arm arm64 elibc_glibc elibc_musl kernel_linux '.repeat(8)}\n`,
  ],
  ['KEYWORDS', `${KEYWORDS}\n`],
  ['LDFLAGS', '-Wl,-O1 -Wl,--as-needed\n'],
  ['USE', 'abi_x86_64 amd64 elibc_glibc kernel_linux ssl userland_GNU\n'],
  ['repository', 'gentoo\n'],
];
const POOL_BYTES = 32 * 1024 * 1024;
const MEDIAN_IMAGE = 90 * 1024;
const MAX_IMAGE = 24 * 1024 * 1024;

/** Numbers that look random and are the same for the same seed (Mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** From `least` to `most`, whole. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  of<T>(choices: readonly T[], otherwise: T): T {
    return choices[this.whole(0, choices.length - 1)] ?? otherwise;
  }

  /** Bell-shaped around 0. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}

/** Bytes that do not compress, the same at every run. */
export function noise(seed: number, bytes = POOL_BYTES): Buffer {
  const dice = new Dice(seed);
  const pool = Buffer.allocUnsafe(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) {
    pool.writeUInt32LE(Math.floor(dice.next() * 4_294_967_296), at);
  }
  return pool;
}

/** Makes packages `from` to below `to` of the folder; the same numbers are always the same packages. */
export async function makePackages(
  pkgdir: string,
  range: { readonly from: number; readonly to: number },
  signer?: PackageSigner,
): Promise<void> {
  const pool = noise(1);
  for (let number = range.from; number < range.to; number += 1) {
    const { path, bytes, mtimeSeconds } = await makePackage(number, pool, signer);
    const file = join(pkgdir, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
    await utimes(file, mtimeSeconds, mtimeSeconds);
  }
}

/** Where a package of this number lies. */
export function pathOf(number: number): string {
  const { category, pn, pf } = namesOf(number, new Dice(number + 7));
  return `${category}/${pn}/${pf}-1.gpkg.tar`;
}

/** What an index says about a package of this number, its file aside. */
export function describePackage(number: number): {
  readonly category: string;
  readonly pn: string;
  readonly pf: string;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const dice = new Dice(number + 7);
  const names = namesOf(number, dice);
  const all = metadataOf({ number, ...names, imageBytes: MEDIAN_IMAGE }, dice, Buffer.alloc(0));
  const metadata: Record<string, string> = {};
  for (const [key, value] of all) {
    if (typeof value === 'string') {
      metadata[key] = value.trim();
    }
  }
  return { ...names, metadata };
}

function namesOf(number: number, dice: Dice) {
  const name = Math.floor(number / 3);
  const category = CATEGORIES[name % CATEGORIES.length] ?? 'app-misc';
  const pn = nameOf(name);
  const version = `${1 + (number % 3)}.${dice.whole(0, 30)}.${dice.whole(0, 9)}`;
  return { category, pn, pf: `${pn}-${version}${dice.of(['', '', '-r1'], '')}` };
}

async function makePackage(
  number: number,
  pool: Buffer,
  signer: PackageSigner | undefined,
): Promise<{ readonly path: string; readonly bytes: Buffer; readonly mtimeSeconds: number }> {
  const dice = new Dice(number + 7);
  const { category, pn, pf } = namesOf(number, dice);
  const base = `${pf}-1`;
  const mtimeSeconds = FIRST_BUILD + number * 60 + 30;
  const imageBytes = Math.min(MAX_IMAGE, Math.round(MEDIAN_IMAGE * Math.exp(1.5 * dice.normal())));
  const metadata = metadataOf({ number, category, pn, pf, imageBytes }, dice, pool);
  const image = Buffer.concat([
    tarEntryHeader(
      { path: `image/usr/lib/${pn}`, type: 'file', size: imageBytes, mtimeSeconds },
      'ustar',
    ),
    slice(pool, dice, imageBytes),
    tarPadding(imageBytes),
  ]);
  const bytes = await containerOf({ base, mtimeSeconds, signer }, [
    ['metadata.tar.zst', zstd(metadataArchive(metadata, mtimeSeconds), 3)],
    ['image.tar.zst', zstd(Buffer.concat([image, tarEnd(image.length)]), 1)],
  ]);
  return { path: `${category}/${pn}/${base}.gpkg.tar`, bytes, mtimeSeconds };
}

function nameOf(number: number): string {
  const parts: string[] = [];
  for (let rest = number + 1; rest > 0; rest = Math.floor(rest / SYLLABLES.length)) {
    parts.push(SYLLABLES[rest % SYLLABLES.length] ?? '');
  }
  return parts.join('');
}

function metadataOf(
  about: {
    readonly number: number;
    readonly category: string;
    readonly pn: string;
    readonly pf: string;
    readonly imageBytes: number;
  },
  dice: Dice,
  pool: Buffer,
): Map<string, Buffer | string> {
  const { number, category, pn, pf, imageBytes } = about;
  const atoms = (most: number): string =>
    Array.from(
      { length: dice.whole(0, most) },
      () =>
        `>=${dice.of(CATEGORIES, 'dev-libs')}/${nameOf(dice.whole(0, 6000))}-${dice.whole(1, 9)}.${dice.whole(0, 9)}:0/${dice.whole(1, 9)}=[abi_x86_64(-)]`,
    ).join(' ');
  const sonames = Array.from(
    { length: dice.whole(2, 12) },
    () => `lib${nameOf(dice.whole(0, 900))}.so.${dice.whole(0, 9)}`,
  );
  const needed = Array.from(
    { length: dice.whole(1, 20) },
    (_, at) => `X86_64;/usr/lib64/${pn}/part${at}.so;part${at}.so;;${sonames.join(',')};x86_64`,
  );
  return new Map<string, Buffer | string>([
    ...SAME,
    ['BDEPEND', `${atoms(4)} virtual/pkgconfig\n`],
    ['BUILD_TIME', `${FIRST_BUILD + number * 60}\n`],
    ['CATEGORY', `${category}\n`],
    ['DEPEND', `${atoms(12)}\n`],
    ['DESCRIPTION', `Measured package number ${number}\n`],
    ['HOMEPAGE', `https://example.org/${pn}\n`],
    ['LICENSE', `${dice.of(['GPL-2+', 'MIT', 'BSD LGPL-2.1+', 'Apache-2.0'], 'MIT')}\n`],
    ['NEEDED.ELF.2', `${needed.join('\n')}\n`],
    ['PF', `${pf}\n`],
    ['PROVIDES', `x86_64: lib${pn}.so.1\n`],
    ['RDEPEND', `${atoms(12)} >=sys-libs/glibc-2.40-r1\n`],
    ['REQUIRES', `x86_64: ${[...new Set(sonames)].toSorted().join(' ')} libc.so.6\n`],
    ['SIZE', `${imageBytes}\n`],
    ['SLOT', `0/${dice.whole(0, 30)}\n`],
    ['environment.bz2', slice(pool, dice, dice.whole(9_000, 34_000))],
    [`${pf}.ebuild`, `# ${pf}\n${'src_configure() {\n\tdefault\n}\n'.repeat(dice.whole(10, 80))}`],
  ]);
}

/** A complete GPKG of compressed members (GLEP 78). */
export async function containerOf(
  about: {
    readonly base: string;
    readonly mtimeSeconds: number;
    readonly signer: PackageSigner | undefined;
  },
  members: readonly (readonly [name: string, bytes: Buffer])[],
): Promise<Buffer> {
  const { base, mtimeSeconds, signer } = about;
  const parts: Buffer[] = [];
  const records: ManifestRecord[] = [];
  const put = (name: string, bytes: Buffer): DigestSet => {
    const entry = {
      path: `${base}/${name}`,
      type: 'file',
      size: bytes.length,
      mtimeSeconds,
    } as const;
    parts.push(tarEntryHeader(entry, 'ustar'), bytes, tarPadding(bytes.length));
    const digests = new DigestSet(['blake2b512', 'sha512']);
    digests.update(bytes);
    return digests;
  };
  const list = (name: string, bytes: Buffer): void => {
    const digests = put(name, bytes);
    const state = digests.copyState('sha512');
    const hex = digests.finish();
    records.push({
      name,
      size: bytes.length,
      blake2b: hex.of('blake2b512'),
      sha512: hex.of('sha512'),
    });
    if (signer !== undefined && name !== 'gpkg-1' && !name.endsWith('.sig')) {
      list(`${name}.sig`, Buffer.from(signer.signState(state)));
    }
  };
  list('gpkg-1', Buffer.alloc(0));
  for (const [name, bytes] of members) {
    list(name, bytes);
  }
  const manifest = formatManifest(records);
  put('Manifest', Buffer.from(signer === undefined ? manifest : await signer.clearSign(manifest)));
  const written = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...parts, tarEnd(written)]);
}

/** One frame with a checksum, as Portage's `zstd` makes it. */
export function zstd(bytes: Buffer, level: number): Buffer {
  const context = new binding.CCtx();
  context.setParameter(binding.CParameter.compressionLevel, level);
  context.setParameter(binding.CParameter.checksumFlag, 1);
  const out = Buffer.allocUnsafeSlow(binding.compressBound(bytes.length));
  return out.subarray(0, context.compress2(out, bytes));
}

function slice(pool: Buffer, dice: Dice, bytes: number): Buffer {
  const start = dice.whole(0, Math.max(0, pool.length - bytes));
  return pool.subarray(start, start + bytes);
}
