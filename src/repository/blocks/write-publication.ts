import { rm } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { inheritedLines } from '../../gentoo/packages-index.ts';
import { digestOf } from '../../support/digests.ts';
import { checkFiles } from '../index-check.ts';
import type { PublicationRecord } from '../publication.ts';
import { publicationOfSnapshot } from '../publication-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { type BinhostFolder, writeFolder } from '../write-binhost.ts';
import {
  type BlockText,
  blockIdsOfSnapshot,
  blocksOfSnapshot,
  filesOfBlock,
  indexedPackagesOfBlock,
  saveTexts,
  textsOfSnapshot,
} from './block-store.ts';
import { composeBlock } from './block-text.ts';
import { KnownIndex } from './known-index.ts';
import { DamagedIndexError, type IndexPiece } from './write-index-files.ts';

/** Where it is written, and what the channel shows so far. */
export interface PublicationFolder extends BinhostFolder {
  readonly shown: PublicationRecord | undefined;
}

/**
 * Writes the binhost folder of a publication, durably. What was composed, read back and checked for an earlier one is
 * taken over from its files, and the package files are looked at of those blocks only that the channel has not shown
 * the last time.
 *
 * Throws `index-invalid`; what is in the folder then is for the caller to remove.
 */
export async function writePublication(
  context: RepositoryContext,
  record: PublicationRecord,
  target: PublicationFolder,
): Promise<void> {
  const known = await openKnown(context, record, target.shown);
  try {
    await writeFrom(context, record, target, known);
  } catch (error) {
    if (!(error instanceof DamagedIndexError)) {
      throw error;
    }
    context.log.error({ fault: error.message }, 'an index is written anew instead of taken over');
    await rm(target.folder, { recursive: true, force: true });
    await writeFrom(context, record, target, []);
  } finally {
    await Promise.all(known.map(async (one) => await one.close()));
  }
}

/** The index of the last publication of the same snapshot, and of the last one of the channel. */
async function openKnown(
  context: RepositoryContext,
  { profile, snapshotId }: PublicationRecord,
  shown: PublicationRecord | undefined,
): Promise<KnownIndex[]> {
  const same = await publicationOfSnapshot(context.database, profile, snapshotId);
  const folders = [same, shown]
    .filter((one) => one !== undefined)
    .map(({ channel, serial }) => context.layout.publication(profile, channel, serial));
  const opened: KnownIndex[] = [];
  for (const folder of new Set(folders)) {
    const index = await KnownIndex.open(folder);
    opened.push(...(index === undefined ? [] : [index]));
  }
  return opened;
}

async function writeFrom(
  context: RepositoryContext,
  { profile, snapshotId, packageCount }: PublicationRecord,
  target: PublicationFolder,
  known: readonly KnownIndex[],
): Promise<void> {
  const { database } = context;
  const packagesFolder = context.layout.packages(profile);
  const inherited = inheritedLines(target.header).join('');
  const blocks = await blocksOfSnapshot(database, snapshotId);
  const texts = await textsOfSnapshot(database, snapshotId, inherited);
  const shown = await blockIdsOfSnapshot(database, target.shown?.snapshotId ?? '');
  const pieces: IndexPiece[] = [];
  for (const block of blocks) {
    const taken = findKnown(known, texts.get(block.id));
    if (taken === undefined) {
      const packages = await indexedPackagesOfBlock(database, block.id);
      pieces.push(composeBlock(packages, target.header));
      checkFiles(packagesFolder, packages);
    } else {
      pieces.push(taken);
      checkFiles(packagesFolder, shown.has(block.id) ? [] : await filesOfBlock(database, block.id));
    }
    await setImmediate();
  }
  const categories = new Set(blocks.flatMap((block) => block.categories));
  const packed = await writeFolder(target, { pieces, categories, packageCount });
  const composed = blocks.flatMap((block, at): BlockText[] => {
    const { name = '' } = pieces[at] ?? {};
    const member = packed.get(name);
    return member === undefined
      ? []
      : [{ blockId: block.id, sha256: name, packedSha256: digestOf('sha256', member) }];
  });
  await saveTexts(database, inherited, composed);
}

function findKnown(
  known: readonly KnownIndex[],
  text: BlockText | undefined,
): IndexPiece | undefined {
  if (text === undefined) {
    return undefined;
  }
  for (const index of known) {
    const found = index.find(text);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}
