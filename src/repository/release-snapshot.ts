import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Event } from '../journal/event.ts';
import { epochSeconds } from '../support/clock.ts';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { AppError, isErrno } from '../support/errors.ts';
import { exists, namesIn, readSymlink, replaceSymlink, syncDirectory } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { writePublication } from './blocks/write-publication.ts';
import { type Allowance, allowanceOf, allowancesOf, insertAllowances } from './gate/gate-store.ts';
import { type GateRequest, type JudgedFinding, passGate } from './gate/pass-gate.ts';
import { indexHeader } from './index-header.ts';
import { channelTarget, PACKAGES, serialOf } from './layout.ts';
import { TEMPORARY_PREFIX } from './pool.ts';
import { copyProofs } from './proof/node-store.ts';
import type { ForcedPromotion, PublicationKind, PublicationRecord } from './publication.ts';
import { writePublicationNote } from './publication-note.ts';
import { type ChannelKey, insertPublication, newestPublication } from './publication-store.ts';
import type { RepositoryContext } from './repository-context.ts';
import { findSnapshot } from './snapshot-store.ts';
import { withdrawAfterFailure } from './withdraw-leftover.ts';

/** A client asks with TIMESTAMP + 5 s as If-Modified-Since: anything nearer is invisible (`portage/dbapi/bintree.py`). */
const MIN_TIMESTAMP_STEP_SECONDS = 6;

export interface Release extends GateRequest {
  readonly kind: PublicationKind;
  readonly requestId?: string;
  readonly forced?: ForcedPromotion | null;
  /** Serial of the publication that it stands in for with the same images: what nodes have proven of it stays proven. */
  readonly sameImagesAs?: number | undefined;
  /** Further facts for the journal. */
  readonly data?: Readonly<Record<string, unknown>>;
}

const EVENT_KINDS: Readonly<Record<PublicationKind, string>> = {
  publish: 'published',
  promote: 'promoted',
  rollback: 'rolled-back',
};

/** Runs work on the channels of a profile, one after another. */
export async function withChannels<T>(
  context: RepositoryContext,
  profile: string,
  work: () => Promise<T>,
): Promise<T> {
  return await context.locks.run(`repository-channels:${profile}`, work);
}

/**
 * Makes the next publication of a channel from a snapshot in the database: the folder, complete and durable; then
 * the row; then the one rename that clients see. Call it within `withChannels`.
 *
 * Throws `index-collapsed` when nothing would be left of what the channel holds, `index-invalid` (see `writePublication`),
 * and what `passGate` throws.
 */
export async function releaseSnapshot(
  context: RepositoryContext,
  release: Release,
): Promise<PublicationRecord> {
  const key = { profile: release.profile.name, channel: release.channel };
  const newest = await newestPublication(context.database, key);
  const record = await nextPublication(context, release, newest);
  if (record.packageCount === 0 && (newest?.packageCount ?? 0) > 0) {
    throw new AppError(
      'index-collapsed',
      `Nothing would be left of the ${newest?.packageCount} packages on ${key.channel} of ${key.profile}.`,
      { details: { ...key } },
    );
  }
  const event = await publishFolder(context, release, record, newest);
  await showNewest(context, record);
  context.journal.announce(event);
  return record;
}

/** Points the link of a channel at this serial, unless it is there, or ahead because the database is an older copy. */
export async function showNewest(
  context: RepositoryContext,
  newest: ChannelKey & { readonly serial: number },
): Promise<void> {
  const { profile, channel, serial } = newest;
  const link = context.layout.channel(profile, channel);
  const target = channelTarget(channel, serial);
  const shown = await readSymlink(link);
  if (shown === target) {
    return;
  }
  const shownSerial =
    shown === undefined ? undefined : serialOf(channel, shown.slice(shown.lastIndexOf('/') + 1));
  if (shownSerial !== undefined && shownSerial > serial) {
    context.log.warn(
      { profile, channel, shownSerial, serial },
      'the channel shows more than the database knows',
    );
    return;
  }
  await replaceSymlink(target, link);
}

async function nextPublication(
  context: RepositoryContext,
  release: Release,
  newest: PublicationRecord | undefined,
): Promise<PublicationRecord> {
  const { profile, channel, snapshotId } = release;
  const snapshot = await findSnapshot(context.database, snapshotId);
  if (snapshot === undefined) {
    throw new Error(`no snapshot ${snapshotId}`);
  }
  const key = { profile: profile.name, channel };
  const onDisk = await newestOnDisk(context, key, newest?.serial ?? 0);
  return {
    profile: profile.name,
    channel,
    serial: onDisk.serial + 1,
    snapshotId,
    timestampSeconds: Math.max(
      epochSeconds(context.clock),
      (newest?.timestampSeconds ?? 0) + MIN_TIMESTAMP_STEP_SECONDS,
      onDisk.timestampSeconds + MIN_TIMESTAMP_STEP_SECONDS,
    ),
    createdAt: context.clock.now(),
    author: release.author,
    reason: release.reason,
    kind: release.kind,
    requestId: release.requestId ?? null,
    packageCount: snapshot.packageCount,
    forced: release.forced ?? null,
  };
}

/**
 * What clients may have seen already, even if the database was lost or is an older copy. As long as the link of the
 * channel shows what the database knows, and nothing stands where the next publication goes, no more is looked at.
 */
async function newestOnDisk(
  context: RepositoryContext,
  { profile, channel }: ChannelKey,
  known: number,
): Promise<{ readonly serial: number; readonly timestampSeconds: number }> {
  const { layout } = context;
  const link = layout.channel(profile, channel);
  const isUsual =
    (await readSymlink(link)) === channelTarget(channel, known) &&
    !(await exists(layout.publication(profile, channel, known + 1)));
  const names = isUsual ? [] : await namesIn(layout.publications(profile));
  const serial = Math.max(known, ...names.map((name) => serialOf(channel, name) ?? 0));
  try {
    const { mtimeMs } = await stat(join(link, 'Packages'));
    return { serial, timestampSeconds: Math.floor(mtimeMs / 1000) };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return { serial, timestampSeconds: 0 };
    }
    throw error;
  }
}

/** A release that has passed the gate. */
type PassedRelease = Release & Passed;

interface Passed {
  readonly findings: readonly JudgedFinding[];
  readonly allowances: readonly Omit<Allowance, 'serial'>[];
}

/** What was good enough yesterday is to be had at once, whatever is found today. */
async function judge(context: RepositoryContext, release: Release): Promise<Passed> {
  return release.kind === 'rollback'
    ? await asBefore(context, release)
    : await pass(context, release);
}

async function pass(context: RepositoryContext, release: Release): Promise<Passed> {
  const findings = await passGate(context, release);
  const allowances = findings.flatMap((finding) =>
    finding.allowance === null ? [] : allowanceOf(finding, finding.allowance),
  );
  return { findings, allowances };
}

function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') {
    throw result.reason;
  }
  return result.value;
}

/** What was let pass for the publication that is gone back to. */
async function asBefore({ database }: RepositoryContext, { origin }: Release): Promise<Passed> {
  const allowances = origin === undefined ? [] : await allowancesOf(database, origin);
  return { findings: [], allowances };
}

async function publishFolder(
  context: RepositoryContext,
  release: Release,
  record: PublicationRecord,
  shown: PublicationRecord | undefined,
): Promise<Event> {
  const { profile, channel, serial } = record;
  const parent = context.layout.publications(profile);
  await makeDurableFolder(parent);
  const temporary = join(parent, `${TEMPORARY_PREFIX}${newId('publication')}`);
  try {
    // Side by side: the gate looks at packages while indexes are on their way to the disk. What it says comes first.
    const [judged, written] = await Promise.allSettled([
      judge(context, release),
      writePublication(context, record, {
        folder: temporary,
        linkTo: (category) => `../../${PACKAGES}/${category}`,
        header: indexHeader(release.profile),
        timestampSeconds: record.timestampSeconds,
        shown,
      }),
    ]);
    const passed = { ...release, ...valueOf(judged) };
    valueOf(written);
    const declared = await context.intents.declare({
      kind: 'publication',
      profile,
      channel,
      serial,
    });
    try {
      await writeNote(context, record, passed.allowances);
      await rename(temporary, context.layout.publication(profile, channel, serial));
      await syncDirectory(parent);
      const event = await commit(context, passed, record);
      await declared.withdraw();
      return event;
    } catch (error) {
      await withdrawAfterFailure(context, declared);
      throw error;
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** What only the database would know of it, on disk before anything can be seen of it. */
async function writeNote(
  context: RepositoryContext,
  record: PublicationRecord,
  allowances: Passed['allowances'],
): Promise<void> {
  const snapshot = await findSnapshot(context.database, record.snapshotId);
  if (snapshot === undefined) {
    throw new Error(`no snapshot ${record.snapshotId}`);
  }
  await writePublicationNote(context.layout, record, { snapshot, allowances });
}

async function commit(
  context: RepositoryContext,
  release: PassedRelease,
  record: PublicationRecord,
): Promise<Event> {
  const { profile, channel, serial, author, reason, timestampSeconds, packageCount } = record;
  return await context.database.transaction().execute(async (queries) => {
    await insertPublication(queries, record);
    await insertAllowances(queries, record, release.allowances);
    if (release.sameImagesAs !== undefined) {
      await copyProofs(queries, { profile, channel, serial: release.sameImagesAs }, record);
    }
    return await context.journal.write(queries, {
      kind: EVENT_KINDS[release.kind],
      subject: `channel:${profile}/${channel}`,
      actor: author,
      data: {
        ...release.data,
        serial,
        timestamp: timestampSeconds,
        packages: packageCount,
        snapshot: record.snapshotId,
        ...toldOf(release.findings),
        reason,
        ...(record.forced !== null && { forced: record.forced }),
      },
    });
  });
}

/** What the gate has found and let pass, for the journal. */
function toldOf(findings: readonly JudgedFinding[]): Readonly<Record<string, unknown>> {
  const tell = (verdict: JudgedFinding['verdict']) =>
    findings
      .filter((finding) => finding.verdict === verdict)
      .map(({ id, message }) => ({ id, message }));
  const [allowed, warnings] = [tell('allowed'), tell('warning')];
  return {
    ...(allowed.length > 0 && { allowed }),
    ...(warnings.length > 0 && { warnings }),
  };
}
