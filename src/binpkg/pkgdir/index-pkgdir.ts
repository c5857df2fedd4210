import { join } from 'node:path';
import { type Clock, epochSeconds } from '../../support/clock.ts';
import type { PackageVerifier } from '../package-signer.ts';
import {
  type AssembledIndex,
  assembleIndex,
  type Duplicate,
  findDuplicates,
  headerFor,
} from './assemble-index.ts';
import { type Comparison, compareWithFolder, completed, type KeptEntry } from './compare.ts';
import {
  checkCompressedIndex,
  INDEX_NAME,
  indexState,
  type KnownIndex,
  type KnownStanza,
  readKnownIndex,
  readPackedIndex,
} from './known-index.ts';
import { openPkgdir } from './open-pkgdir.ts';
import { blockName } from './packed-blocks.ts';
import type { RefusedFile } from './read-package.ts';
import { type Ignored, scanFolder } from './scan-folder.ts';
import { walkOrder } from './walk-order.ts';
import { writeIndex } from './write-index.ts';

export interface IndexOptions {
  readonly clock: Clock;
  /** Trust no entry of an index that is there: read and hash every package. */
  readonly full?: boolean | undefined;
  /** Packages that it does not accept are left out, as Portage does. Without one, signatures are not looked at. */
  readonly verifier?: PackageVerifier | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called when somebody else holds the lock. */
  readonly onWait?: ((lockFile: string) => void) | undefined;
  /** Called before packages are read: with how many, and what to call for each that is done. */
  readonly onRead?: (files: number) => (done: number) => void;
}

export interface IndexOutcome {
  /** Whether the index had to be written. */
  readonly written: boolean;
  readonly packages: number;
  /** Of the index, seconds. */
  readonly timestampSeconds: number;
  /** Paths of packages that were not in the index; whose entry was not right; whose file is gone. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Files that are no package that Portage would take. */
  readonly refused: readonly RefusedFile[];
  readonly ignored: readonly Ignored[];
  /** Of the same CPV and BUILD_ID. */
  readonly duplicates: readonly Duplicate[];
  /** Left out, since another file is the same instance. */
  readonly same: readonly Duplicate[];
}

/** A client takes no index that is nearer to its own than this (`portage/dbapi/bintree.py`, TIMESTAMP_TOLERANCE). */
const TIMESTAMP_STEP_SECONDS = 6;

/**
 * Brings the index of a PKGDIR up to date: what `emaint --fix binhost` does
 * (`portage/emaint/modules/binhost/binhost.py:fix`), under the same lock. The index is written only if something is
 * to be changed.
 *
 * Throws `pkgdir-missing`, `pkgdir-not-accessible`, `index-too-large`, `lock-aborted`, and the system's errors.
 */
export async function indexPkgdir(pkgdir: string, options: IndexOptions): Promise<IndexOutcome> {
  const folder = await openPkgdir(pkgdir, 'to-write');
  const before = await look(folder, options);
  if (before.outcome !== undefined) {
    return before.outcome;
  }
  const { lockAsPortage } = await import('./portage-lock.ts');
  const { onWait, signal } = options;
  const lock = await lockAsPortage(join(folder, INDEX_NAME), { onWait, signal });
  try {
    const isCurrent = before.known.state === indexState(folder);
    const { known, comparison, outcome } = isCurrent ? before : await look(folder, options);
    return outcome ?? (await update(folder, { known, comparison }, options));
  } finally {
    await lock.release();
  }
}

interface Look {
  readonly known: KnownIndex;
  readonly comparison: Comparison;
}

/** Reads the index and the folder; the outcome is there when nothing is to be done. */
async function look(
  folder: string,
  options: IndexOptions,
): Promise<Look & { readonly outcome: IndexOutcome | undefined }> {
  const found = readKnownIndex(folder);
  const packedFaults = options.full === true ? await checkCompressedIndex(folder) : [];
  const known = { ...found, faults: [...found.faults, ...packedFaults] };
  const trusted =
    options.full === true ? { ...known, stanzas: new Map<string, KnownStanza>() } : known;
  const comparison = compareWithFolder(trusted, scanFolder(folder));
  const { due, stale, kept, ignored } = comparison;
  const isRight = due.length === 0 && stale.length === 0 && known.faults.length === 0;
  if (!isRight) {
    return { known, comparison, outcome: undefined };
  }
  const outcome = {
    ...NOTHING,
    packages: kept.length,
    timestampSeconds: timestampOf(known),
    ignored,
    duplicates: findDuplicates(kept),
  };
  return { known, comparison, outcome };
}

async function update(
  folder: string,
  { known, comparison }: Look,
  options: IndexOptions,
): Promise<IndexOutcome> {
  const { due, kept, ignored } = comparison;
  const before = timestampOf(known);
  const read = await readDue(folder, due, options);
  const entries = [...kept, ...read.entries];
  const timestampSeconds = Math.max(epochSeconds(options.clock), before + TIMESTAMP_STEP_SECONDS);
  const isTrusted = options.full !== true && known.header.size > 0;
  const packed = isTrusted ? readPackedIndex(folder) : new Map<string, Buffer>();
  const [packedHeader] = packed.keys();
  const isSameHeader = packedHeader === blockName(Buffer.from(known.headerText));
  const header = headerFor(known.header, entries);
  const index = assembleIndex(entries, header, {
    timestampSeconds,
    ...(isSameHeader ? { written: packed } : {}),
    bytes: known.bytes,
    walkOrder: () => walkOrder(folder),
  });
  const difference = compareEntries(known, comparison, index);
  const isChanged = Object.values(difference).some((paths) => paths.length > 0);
  const isDue = isChanged || known.faults.length > 0;
  if (isDue) {
    const { isCompressed } = known;
    await writeIndex(folder, { blocks: index.blocks, packed, isCompressed, timestampSeconds });
  }
  return {
    ...difference,
    written: isDue,
    packages: index.entries.length,
    timestampSeconds: isDue ? timestampSeconds : before,
    refused: read.refused,
    ignored,
    duplicates: index.duplicates,
    same: index.same,
  };
}

function timestampOf(known: KnownIndex): number {
  return Number(known.header.get('TIMESTAMP') ?? 0) || 0;
}

const NOTHING = {
  written: false,
  added: [],
  changed: [],
  removed: [],
  refused: [],
  same: [],
} as const;

async function readDue(
  folder: string,
  due: Comparison['due'],
  options: IndexOptions,
): Promise<{ readonly entries: readonly KeptEntry[]; readonly refused: readonly RefusedFile[] }> {
  if (due.length === 0) {
    return { entries: [], refused: [] };
  }
  const { readPackages } = await import('./read-packages.ts');
  const onProgress = options.onRead?.(due.length);
  const { verifier, threads } = options;
  const results = await readPackages(folder, due, { verifier, threads, onProgress });
  const entries: KeptEntry[] = [];
  const refused: RefusedFile[] = [];
  for (const [at, result] of results.entries()) {
    if (result.kind === 'refused') {
      refused.push(result);
    } else {
      const { path, cpv } = result;
      const { order = 0, ...known } = due[at] ?? {};
      entries.push({ path, cpv, stanza: completed(result.stanza, known), order });
    }
  }
  return { entries, refused };
}

/** What is different from the index that was there. Entries that were trusted are as they were, or left out. */
function compareEntries(
  known: KnownIndex,
  { due, stale }: Comparison,
  { entries, same }: Pick<AssembledIndex, 'entries' | 'same'>,
): Pick<IndexOutcome, 'added' | 'changed' | 'removed'> {
  const read = new Set(due.map(({ path }) => path));
  const found = new Map(
    entries.filter(({ path }) => read.has(path)).map(({ path, stanza }) => [path, stanza]),
  );
  const gone = new Set([
    ...stale.map(({ path }) => path),
    ...[...read].filter((path) => !found.has(path)),
    ...same.flatMap(({ paths }) => paths.slice(0, -1)),
  ]);
  return {
    added: [...found.keys()].filter((path) => !known.stanzas.has(path)),
    changed: [...found]
      .filter(([path, stanza]) => (known.stanzas.get(path)?.text ?? stanza) !== stanza)
      .map(([path]) => path),
    removed: [...gone].filter((path) => known.stanzas.has(path)),
  };
}
