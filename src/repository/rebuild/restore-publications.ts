import type { Database } from '../../database/database.ts';
import { isAppError } from '../../support/errors.ts';
import { readSymlink } from '../../support/files.ts';
import { type BlockList, cutBlocks } from '../blocks/block.ts';
import { insertAllowances } from '../gate/gate-store.ts';
import { Intents } from '../intents.ts';
import { channelTarget, type Layout, publicationName, publicationOf } from '../layout.ts';
import { foldersIn } from '../package-folder.ts';
import { choicesOf } from '../package-store.ts';
import type { PublicationRecord, SnapshotRecord } from '../publication.ts';
import { type PublicationNote, readPublicationNote } from '../publication-note.ts';
import { insertPublication } from '../publication-store.ts';
import { ensureSnapshot, snapshotIdOf } from '../snapshot-store.ts';
import { type ReadPublication, readPublication } from './read-publication.ts';
import type { RebuildFault, RebuildProgress } from './rebuild-report.ts';
import type { RowsOfPackages } from './rows-of-packages.ts';

interface Context {
  readonly database: Database;
  readonly layout: Layout;
  readonly onProgress: (progress: RebuildProgress) => void;
}

interface Found {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
}

/**
 * Restores publications and their snapshots. One that was being made when the server was killed is left to recovery,
 * which removes it: its note of intent is still there, and no client has seen it.
 */
export async function restorePublications(
  context: Context,
  profiles: readonly string[],
  rows: RowsOfPackages,
  faults: RebuildFault[],
): Promise<{ readonly publications: number; readonly snapshots: number }> {
  const found = await publicationsOnDisk(context.layout, profiles);
  const snapshots = new Map<string, string>();
  let publications = 0;
  for (const [position, one] of found.entries()) {
    context.onProgress({ stage: 'publications', done: position, total: found.length });
    const subject = `publication:${one.profile}/${publicationName(one.channel, one.serial)}`;
    const tell = (code: string, message: string): void => {
      faults.push({ code, subject, message });
    };
    try {
      const read = await restoreOne(context, one, { rows, snapshots, tell });
      publications += 1;
      if (!read.isAsIndexed) {
        tell(
          'publication-differs',
          'Its packages, indexed anew, have other entries than its index.',
        );
      }
    } catch (error) {
      if (!isAppError(error)) {
        throw error;
      }
      tell(error.code, error.message);
    }
  }
  context.onProgress({ stage: 'publications', done: found.length, total: found.length });
  return { publications, snapshots: new Set(snapshots.values()).size };
}

async function restoreOne(
  context: Context,
  one: Found,
  {
    rows,
    snapshots,
    tell,
  }: {
    readonly rows: RowsOfPackages;
    readonly snapshots: Map<string, string>;
    readonly tell: (code: string, message: string) => void;
  },
): Promise<ReadPublication> {
  const folder = context.layout.publication(one.profile, one.channel, one.serial);
  const read = await readPublication(folder, rows.ofProfile(one.profile));
  const note = await noteOf(context.layout, one, tell);
  await rows.addNamed(read.packageIds);
  const contents = cutBlocks(await choicesOf(context.database, one.profile, read.packageIds));
  const snapshotId = snapshotOf(one.profile, contents, { note, snapshots });
  await insert(context.database, one, { read, note, snapshotId, contents });
  return read;
}

async function publicationsOnDisk(layout: Layout, profiles: readonly string[]): Promise<Found[]> {
  const found: Found[] = [];
  const unfinished = await underWay(layout);
  for (const profile of profiles) {
    for (const name of await foldersIn(layout.publications(profile))) {
      const key = publicationOf(name);
      const isShown =
        key !== undefined &&
        (await readSymlink(layout.channel(profile, key.channel))) ===
          channelTarget(key.channel, key.serial);
      if (key !== undefined && (isShown || !unfinished.has(`${profile}/${name}`))) {
        found.push({ profile, ...key });
      }
    }
  }
  return found.toSorted((a, b) => a.serial - b.serial);
}

async function underWay(layout: Layout): Promise<ReadonlySet<string>> {
  const left = await new Intents(layout.intents).leftovers();
  return new Set(
    left.flatMap(({ intent }) =>
      intent.kind === 'publication'
        ? [`${intent.profile}/${publicationName(intent.channel, intent.serial)}`]
        : [],
    ),
  );
}

async function noteOf(
  layout: Layout,
  one: Found,
  tell: (code: string, message: string) => void,
): Promise<PublicationNote | undefined> {
  try {
    const note = await readPublicationNote(layout, one);
    if (note === undefined) {
      tell('publication-note-missing', 'Who made it and why is not known: it has no note.');
    }
    return note;
  } catch (error) {
    if (!isAppError(error, 'publication-note-damaged')) {
      throw error;
    }
    tell(error.code, error.message);
    return undefined;
  }
}

/** The snapshot has the id it had, unless that is not known, or is that of other contents. */
function snapshotOf(
  profile: string,
  { blocks }: BlockList,
  {
    note,
    snapshots,
  }: { readonly note?: PublicationNote | undefined; readonly snapshots: Map<string, string> },
): string {
  const contents = snapshotIdOf(profile, blocks);
  const id = note?.snapshotId ?? contents;
  const known = snapshots.get(id);
  if (known !== undefined && known !== contents) {
    snapshots.set(contents, contents);
    return contents;
  }
  snapshots.set(id, contents);
  return id;
}

async function insert(
  database: Database,
  one: Found,
  made: {
    readonly read: ReadPublication;
    readonly note: PublicationNote | undefined;
    readonly snapshotId: string;
    readonly contents: BlockList;
  },
): Promise<void> {
  const { read, snapshotId } = made;
  const packageCount = read.packageIds.length;
  const note = made.note ?? unknownNote(read.timestampSeconds, snapshotId);
  const { snapshot: from, allowances, ...how } = note;
  const snapshot: SnapshotRecord = { id: snapshotId, profile: one.profile, packageCount, ...from };
  const publication: PublicationRecord = {
    ...one,
    ...how,
    snapshotId,
    timestampSeconds: read.timestampSeconds,
    packageCount,
  };
  await database.transaction().execute(async (queries) => {
    await ensureSnapshot(queries, snapshot, made.contents);
    await insertPublication(queries, publication);
    await insertAllowances(queries, publication, allowances);
  });
}

/** What is said of a publication without a note. */
function unknownNote(timestampSeconds: number, snapshotId: string): PublicationNote {
  const made = { createdAt: timestampSeconds * 1000, author: 'unknown', reason: '' };
  return {
    ...made,
    snapshotId,
    kind: 'publish',
    requestId: null,
    forced: null,
    allowances: [],
    snapshot: { ...made, origin: 'publish' },
  };
}
