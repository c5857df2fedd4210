import { createWriteStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Atom, formatAtom, matchesAtom, parseAtom } from '../../gentoo/atom.ts';
import { parseCpv } from '../../gentoo/cpv.ts';
import { flattenAtoms } from '../../gentoo/dep-string.ts';
import { parsePackagesIndex, valueOf } from '../../gentoo/packages-index.ts';
import { compareVersions } from '../../gentoo/version.ts';
import { digestFile } from '../../support/digests.ts';
import { AppError } from '../../support/errors.ts';
import { ensureInside } from '../../support/files.ts';
import type { JobContext } from './executor.ts';

const MAXIMUM_INDEX_BYTES = 64 * 1024 * 1024;
/** A staging binhost does not change; no job takes longer. */
const KEPT_SECONDS = 365 * 86_400;

/** A package that the staging binhost of a job offers. */
export interface StagedPackage {
  readonly cpv: string;
  readonly slot: string;
  /** Below the binhost. */
  readonly path: string;
  readonly size: number;
  readonly sha1: string;
  readonly buildTimeSeconds: number;
  readonly rdepend: string;
  readonly use: readonly string[];
}

/** Reads the index of the job's staging binhost. Throws `invalid-packages-index`, `index-too-large`. */
export async function readStaging(job: JobContext): Promise<StagedPackage[]> {
  const index = parsePackagesIndex(await readIndex(job));
  return index.entries.map((entry) => {
    const value = (key: string): string => valueOf(index, entry, key) ?? '';
    return {
      cpv: value('CPV'),
      slot: value('SLOT'),
      path: value('PATH'),
      size: Number(value('SIZE')),
      sha1: value('SHA1'),
      buildTimeSeconds: Number(value('BUILD_TIME')),
      rdepend: [value('RDEPEND'), value('PDEPEND')].join(' '),
      use: value('USE').split(' '),
    };
  });
}

/**
 * Writes the index of the job's staging binhost to the folder where Portage keeps its copy of it, with a time to live
 * (`bintree.py`, `_populate_remote`), so that Portage does not ask for it itself: a binhost that does not answer has no
 * packages for it, and it would compile all that the job needs.
 */
export async function keepIndexFor(job: JobContext, folder: string): Promise<void> {
  const now = Math.floor(job.clock.now() / 1000);
  const header = `DOWNLOAD_TIMESTAMP: ${now}\nTTL: ${KEPT_SECONDS}\n`;
  const text = await readIndex(job);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'Packages'), header + text);
}

async function readIndex(job: JobContext): Promise<string> {
  return await job.connection.readFile(stagedUrl(job, 'Packages'), job.signal, readText);
}

/** The staged packages that some atoms need, with what these need to run, each once. */
export function selectStaged(
  atoms: readonly string[],
  staged: readonly StagedPackage[],
): StagedPackage[] {
  const chosen = new Map<string, StagedPackage>();
  const waiting: Atom[] = atoms.map((atom) => parseAtom(atom));
  for (let atom = waiting.shift(); atom !== undefined; atom = waiting.shift()) {
    const found = bestMatch(atom, staged);
    if (found !== undefined && !chosen.has(found.path)) {
      chosen.set(found.path, found);
      waiting.push(...flattenAtoms(found.rdepend, new Set(found.use)));
    }
  }
  return [...chosen.values()];
}

/** Binds `:=` to the slot of the package that is staged for it, as Portage does when it builds (PMS 8.3.3). */
export function bindSlots(atoms: readonly string[], staged: readonly StagedPackage[]): string[] {
  return atoms.map((text) => {
    const atom = parseAtom(text);
    const found = atom.slotOperator === '=' ? bestMatch(atom, staged) : undefined;
    if (found === undefined) {
      return text;
    }
    const [slot = '0', subSlot = slot] = found.slot.split('/');
    return formatAtom({ ...atom, slot, subSlot });
  });
}

/** Downloads a staged package and checks its size and SHA1. Throws `staged-package-damaged`. */
export async function fetchStaged(
  job: JobContext,
  staged: StagedPackage,
  path: string,
): Promise<void> {
  await job.connection.readFile(stagedUrl(job, staged.path), job.signal, async (bytes) => {
    await rm(path, { force: true });
    await pipeline(Readable.from(bytes), createWriteStream(path, { flags: 'wx' }));
  });
  const { size, digests } = await digestFile(path, ['sha1']);
  if (size !== staged.size || digests.of('sha1') !== staged.sha1) {
    throw new AppError(
      'staged-package-damaged',
      `The staged package ${staged.path} is not what its index says: ${size} bytes, SHA1 ${digests.of('sha1')}.`,
      { details: { path: staged.path } },
    );
  }
}

function bestMatch(atom: Atom, staged: readonly StagedPackage[]): StagedPackage | undefined {
  if (atom.blocker !== '') {
    return undefined;
  }
  return staged
    .filter((candidate) => matchesAtom(atom, candidate))
    .toSorted(
      (one, other) =>
        compareVersions(parseCpv(one.cpv).version, parseCpv(other.cpv).version) ||
        one.buildTimeSeconds - other.buildTimeSeconds,
    )
    .at(-1);
}

function stagedUrl(job: JobContext, path: string): string {
  return ensureInside(job.lease.stagingPath, path);
}

async function readText(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bytes) {
    size += piece.byteLength;
    if (size > MAXIMUM_INDEX_BYTES) {
      throw new AppError(
        'index-too-large',
        `The index of the staging binhost has more than ${MAXIMUM_INDEX_BYTES} bytes.`,
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
