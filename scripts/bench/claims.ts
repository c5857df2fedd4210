import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { formatManifest } from '../../src/binpkg/gpkg/manifest.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { makeLargePackage } from './large-package.ts';
import { makePackages, pathOf } from './made-packages.ts';
import { command, type Measurement, measure, median, secondsIn, shown } from './measure.ts';
import { openPortagePeer } from './portage-peer.ts';

export interface Bench {
  /** Everything is made below it. */
  readonly folder: string;
  /** The built program. */
  readonly program: string;
  readonly signer: Signer;
  readonly publicKeyFile: string;
  readonly sizes: {
    readonly small: number;
    readonly large: number;
    readonly packageMegabytes: number;
  };
  readonly print: (line: string) => void;
}

const PARSES = 15;
const NO_PORTAGE = 'no emerge on PATH';

async function rookery(bench: Bench, pkgdir: string): Promise<void> {
  await command([process.execPath, bench.program, 'index', pkgdir]);
}

async function removeIndex(pkgdir: string): Promise<void> {
  for (const name of ['Packages', 'Packages.gz']) {
    await rm(join(pkgdir, name), { force: true });
  }
}

/** Claim 1: a whole PKGDIR, and one in which nothing has changed, against `emaint --fix binhost`. */
export async function indexAgainstPortage(bench: Bench): Promise<void> {
  const { small } = bench.sizes;
  const pkgdir = join(bench.folder, 'small');
  await makePackages(pkgdir, { from: 0, to: small }, bench.signer);
  const peer = await openPortagePeer(join(bench.folder, 'peer'), pkgdir, bench.publicKeyFile);
  const without = async (): Promise<void> => await removeIndex(pkgdir);
  const full = await measure(3, async () => await rookery(bench, pkgdir), without);
  const same = await measure(7, async () => await rookery(bench, pkgdir));
  const what = `index of ${small} signed packages`;
  if (peer === undefined) {
    bench.print(`${what}: rookery ${shown(full)}; skipped: emaint (${NO_PORTAGE})`);
    bench.print(
      `${what}, nothing changed: rookery ${shown(same)}; skipped: emaint (${NO_PORTAGE})`,
    );
    return;
  }
  const theirs = await measure(1, peer.emaint, without);
  requirePackages(pkgdir, small);
  bench.print(faster(what, { rookery: full, emaint: theirs }, 10));
  const theirSame = await measure(7, peer.emaint);
  bench.print(faster(`${what}, nothing changed`, { rookery: same, emaint: theirSame }, 2));
}

/** Claims 2 and 4: one package more, and the parser, on a large PKGDIR. */
export async function largeIndex(bench: Bench): Promise<void> {
  const { large } = bench.sizes;
  const pkgdir = join(bench.folder, 'large');
  await makePackages(pkgdir, { from: 0, to: large + 1 }, bench.signer);
  const added = join(pkgdir, pathOf(Math.floor(large / 2)));
  const aside = join(bench.folder, 'aside.gpkg.tar');
  await rename(added, aside);
  const full = await measure(
    2,
    async () => await rookery(bench, pkgdir),
    async () => await removeIndex(pkgdir),
  );
  const one = await measure(
    7,
    async () => await rookery(bench, pkgdir),
    async () => {
      if (existsSync(added)) {
        rmSync(added);
        await rookery(bench, pkgdir);
      }
      copyFileSync(aside, added);
      const { mtimeMs } = statSync(aside);
      utimesSync(added, mtimeMs / 1000, mtimeMs / 1000);
    },
  );
  requirePackages(pkgdir, large + 1);
  const share = (100 * median(one)) / median(full);
  bench.print(
    `one package added to ${large}: ${shown(one)}, all of them ${shown(full)}: ${share.toFixed(2)} % (target: below 3 %)`,
  );
  await parse(bench, join(pkgdir, 'Packages'));
}

async function parse(bench: Bench, file: string): Promise<void> {
  const program = join(import.meta.dirname, 'parse-index.ts');
  const cut = {
    seconds: secondsIn(
      await command([process.execPath, '--import', 'tsx', program, file, String(PARSES)]),
    ),
  };
  const what = `parse of an index of ${bench.sizes.large} packages`;
  const peer = await openPortagePeer(
    join(bench.folder, 'peer'),
    '/nonexistent',
    bench.publicKeyFile,
  );
  if (peer === undefined) {
    bench.print(`${what}: rookery ${shown(cut)}; skipped: PackageIndex.read (${NO_PORTAGE})`);
    return;
  }
  const theirs = { seconds: await peer.readIndex(file, PARSES) };
  bench.print(faster(what, { rookery: cut, 'PackageIndex.read': theirs }, 5));
}

/** Claim 3: what verifying and signing cost, against hashing alone; then the command, which also writes the result. */
export async function verifyAndSign(bench: Bench): Promise<void> {
  const file = join(bench.folder, 'large.gpkg.tar');
  await makeLargePackage(file, bench.sizes.packageMegabytes, bench.signer);
  const signed = await measure(5, async () => await verifiedAndSigned(bench, file));
  const hashed = await measure(5, async () => {
    await command(['sha512sum', file]);
    await command(['b2sum', file]);
  });
  const megabytes = Math.round(statSync(file).size / 1_000_000);
  bench.print(
    `verify, hash and sign a package of ${megabytes} MB: ${shown(signed)}, sha512sum and b2sum ${shown(hashed)}: ${times(signed, hashed)} times as long (target: at most 1.3)`,
  );
  const keys = dirname(bench.publicKeyFile);
  const written = await measure(5, async () => {
    const sign = ['package', 'sign', '--key-folder', keys, file];
    await command([process.execPath, bench.program, ...sign]);
  });
  bench.print(
    `rookery package sign of it, start of the program, writing and syncing included: ${shown(written)}: ${times(written, hashed)} times as long (no target)`,
  );
}

function times(one: Measurement, other: Measurement): string {
  return (median(one) / median(other)).toFixed(2);
}

/** All that `rookery package sign` does, but for writing the new file and hashing it as a whole. */
async function verifiedAndSigned(bench: Bench, file: string): Promise<void> {
  const verifier = await createVerifier([readFileSync(bench.publicKeyFile, 'utf8')]);
  const source = await openByteSource(file);
  try {
    await withOpenGpkg(source, { verifier, signatures: 'required' }, async (opened) => {
      const signatures = [
        bench.signer.signState(createHash('sha512').update(opened.metadataBytes)),
      ];
      const { members } = await opened.finish(async () => ({
        write: async () => undefined,
        end: async ({ sha512State }) => {
          signatures.push(bench.signer.signState(sha512State));
        },
      }));
      signatures.push(await bench.signer.clearSign(formatManifest(members)));
    });
  } finally {
    await source.close();
  }
}

function faster(
  what: string,
  sides: Readonly<Record<string, Measurement>>,
  target: number,
): string {
  const [[mine, ours] = ['', { seconds: [] }], [other, theirs] = ['', { seconds: [] }]] =
    Object.entries(sides);
  const ratio = median(theirs) / median(ours);
  return `${what}: ${mine} ${shown(ours)}, ${other} ${shown(theirs)}: ${ratio.toFixed(1)} times faster (target: ${target})`;
}

/** A peer that left packages out would look fast. */
function requirePackages(pkgdir: string, wanted: number): void {
  const found = /^PACKAGES: ([0-9]+)$/m.exec(readFileSync(join(pkgdir, 'Packages'), 'utf8'))?.[1];
  if (found !== String(wanted)) {
    throw new Error(`the index of ${pkgdir} has ${found ?? 'no'} packages instead of ${wanted}`);
  }
}
