import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { Event } from '../../journal/event.ts';
import { withChannels } from '../release-snapshot.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { stagedLock } from '../stage-packages.ts';
import { withdrawAfterFailure, withdrawLeftover } from '../withdraw-leftover.ts';
import {
  judgePublications,
  type ProfilePlan,
  planCollection,
  retentionPolicy,
  usedPackages,
} from './plan-collection.ts';
import {
  addCounts,
  type RowCounts,
  removePackages,
  removePublications,
  removeUnusedSnapshots,
} from './remove-rows.ts';
import { Tally } from './report-collection.ts';
import type { Collection, CollectionProgress, CollectionRequest } from './retention.ts';
import { type PackageUse, type PublicationKey, packagesInBlocks } from './retention-store.ts';

/** Removed under one lock: publishing waits for no longer. */
const PUBLICATIONS_AT_ONCE = 10;
const PACKAGES_AT_ONCE = 100;

interface Run {
  readonly context: RepositoryContext;
  readonly profile: HardwareProfile;
  readonly actor: string;
  readonly advance: (count: number) => void;
  readonly judge: ReturnType<typeof judging>;
}

interface Removed<T> {
  readonly removed: readonly T[];
  readonly rows: RowCounts;
}

/** See `Retention.collect`. */
export async function collectRepository(
  context: RepositoryContext,
  { profile: name, dryRun, actor, signal }: CollectionRequest,
  show: (progress: CollectionProgress | undefined) => void,
): Promise<Collection> {
  const profiles = name === undefined ? context.profiles.list() : [context.profiles.get(name)];
  const tell = (progress: CollectionProgress): void => {
    signal?.throwIfAborted();
    show(progress);
  };
  return await context.locks.run('repository-collect', async () => {
    try {
      const tally = new Tally(context);
      const rows: RowCounts[] = [];
      for (const profile of profiles) {
        const plan = await planCollection(context, profile, (done, total) => {
          tell({ profile: profile.name, stage: 'looking', done, total });
        });
        if (dryRun) {
          await tally.add(plan);
        } else {
          const { advance } = counter(plan, tell);
          const judge = judging(context, profile);
          const done = await carryOut({ context, profile, actor, advance, judge }, plan, tally);
          rows.push(done);
        }
      }
      return { dryRun, profiles: tally.profiles, rows: addCounts(...rows) };
    } finally {
      show(undefined);
    }
  });
}

function counter(plan: ProfilePlan, tell: (progress: CollectionProgress) => void) {
  const total =
    plan.publications.filter(({ keep }) => !keep).length +
    plan.packages.filter(({ holder }) => holder === undefined).length;
  let done = 0;
  const advance = (count: number): void => {
    done += count;
    tell({ profile: plan.profile, stage: 'removing', done, total });
  };
  advance(0);
  return { advance };
}

/**
 * What no publication of a profile holds, judged anew only when somebody else has written to the journal since: a judgement
 * reads the whole history, and what only time does to it lets go of more.
 */
function judging(context: RepositoryContext, profile: HardwareProfile) {
  let known: { readonly seq: number; readonly loose: ReadonlySet<string> } | undefined;
  const newestSeq = async (): Promise<number> => (await context.journal.latest(1))[0]?.seq ?? 0;
  return {
    loose: async (): Promise<ReadonlySet<string>> => {
      const seq = await newestSeq();
      if (known?.seq !== seq) {
        const verdicts = await judgePublications(context, profile);
        const loose = verdicts.filter(({ keep }) => !keep);
        known = { seq, loose: new Set(loose.map(({ publication }) => nameOf(publication))) };
      }
      return known.loose;
    },
    /** These events are ours, from this removal alone. */
    noteOwn: (events: readonly Event[]): void => {
      const [first, last] = [events[0]?.seq, events.at(-1)?.seq];
      if (known !== undefined && first === known.seq + 1 && last !== undefined) {
        known = { ...known, seq: last };
      }
    },
  };
}

/** What came into use since it was planned stays. What is told is what was done. */
async function carryOut(run: Run, plan: ProfilePlan, tally: Tally): Promise<RowCounts> {
  const { name } = run.profile;
  const going = plan.publications.filter(({ keep }) => !keep);
  const rows: RowCounts[] = [];
  const gone = new Set<string>();
  for (const some of slices(going, PUBLICATIONS_AT_ONCE)) {
    const keys = some.map(({ channel, serial }) => ({ profile: name, channel, serial }));
    const done = await collectPublications(run, keys);
    rows.push(done.rows);
    for (const key of done.removed) {
      gone.add(nameOf(key));
    }
    run.advance(some.length);
  }
  const unheld = plan.packages.filter(({ holder }) => holder === undefined);
  rows.push(await collectSnapshots(run));
  // Whether others refer to the files can only be asked while their rows are there.
  await tally.look(plan.profile, unheld);
  const removed = new Set<string>();
  for (const some of slices(unheld, PACKAGES_AT_ONCE)) {
    const done = await collectPackages(run, some);
    rows.push(done.rows);
    for (const { id } of done.removed) {
      removed.add(id);
    }
    run.advance(some.length);
  }
  const meanwhile = 'came into use meanwhile';
  await tally.add({
    profile: name,
    publications: plan.publications.map((one) =>
      one.keep || gone.has(nameOf(one)) ? one : { ...one, keep: true, holders: [meanwhile] },
    ),
    packages: plan.packages.map((one) =>
      one.holder !== undefined || removed.has(one.id) ? one : { ...one, holder: meanwhile },
    ),
  });
  return addCounts(...rows);
}

function nameOf({ channel, serial }: Omit<PublicationKey, 'profile'>): string {
  return `${channel}-${serial}`;
}

/**
 * Notes on disk first, then all rows in one transaction, then the folders. What is stopped before the commit has not
 * happened; what is stopped after it is finished by `recover`, which finds the notes.
 */
async function collectPublications(
  { context, profile, actor, judge }: Run,
  wanted: readonly PublicationKey[],
): Promise<Removed<PublicationKey>> {
  return await withChannels(context, profile.name, async () => {
    const loose = await judge.loose();
    const keys = wanted.filter((key) => loose.has(nameOf(key)));
    const declared = [];
    for (const key of keys) {
      declared.push(await context.intents.declare({ kind: 'publication', ...key }));
    }
    try {
      const { rows, events } = await forgetPublications(context, keys, actor);
      judge.noteOwn(events);
      context.journal.announce(...events);
      for (const one of declared) {
        await withdrawLeftover(context, one);
      }
      return { removed: keys, rows };
    } catch (error) {
      for (const one of declared) {
        await withdrawAfterFailure(context, one);
      }
      throw error;
    }
  });
}

async function forgetPublications(
  { database, clock, journal }: RepositoryContext,
  keys: readonly PublicationKey[],
  actor: string,
): Promise<{ readonly rows: RowCounts; readonly events: readonly Event[] }> {
  return await database.transaction().execute(async (queries) => {
    const { rows, snapshotIds } = await removePublications(queries, keys, clock.now());
    const events: Event[] = [];
    for (const { profile, channel, serial } of keys) {
      const subject = `channel:${profile}/${channel}`;
      const event = { kind: 'publication-collected', subject, actor, data: { serial } };
      events.push(await journal.write(queries, event));
    }
    const [first] = keys;
    const unused =
      first === undefined ? {} : await removeUnusedSnapshots(queries, first.profile, snapshotIds);
    return { rows: addCounts(rows, unused), events };
  });
}

/** Those that were never published, too. */
async function collectSnapshots({ context, profile: { name } }: Run): Promise<RowCounts> {
  return await withChannels(
    context,
    name,
    async () =>
      await context.database
        .transaction()
        .execute(async (queries) => await removeUnusedSnapshots(queries, name)),
  );
}

/** As `collectPublications`. Only what nothing holds at this moment goes. */
async function collectPackages(
  { context, profile, actor }: Run,
  wanted: readonly PackageUse[],
): Promise<Removed<PackageUse>> {
  const { name } = profile;
  return await withChannels(context, name, async () =>
    context.locks.run(stagedLock(name), async () => {
      const used = await usedPackages(context, name);
      const unused = await context.database
        .transaction()
        .execute(async (queries) => await removeUnusedSnapshots(queries, name));
      const published = await packagesInBlocks(
        context.database,
        wanted.map(({ id }) => id),
      );
      const oldest = context.clock.now() - retentionPolicy(profile).packagesMs;
      const removed = wanted.filter(
        (one) => !published.has(one.id) && used(one) === undefined && one.importedAt <= oldest,
      );
      if (removed.length === 0) {
        return { removed, rows: unused };
      }
      const declared = await context.intents.declare({
        kind: 'packages',
        profile: name,
        files: removed.map(({ path, sha512 }) => ({ path, sha512 })),
      });
      try {
        const { rows, event } = await forgetPackages(context, { profile: name, removed, actor });
        context.journal.announce(event);
        await withdrawLeftover(context, declared);
        return { removed, rows: addCounts(rows, unused) };
      } catch (error) {
        await withdrawAfterFailure(context, declared);
        throw error;
      }
    }),
  );
}

async function forgetPackages(
  { database, clock, journal }: RepositoryContext,
  what: {
    readonly profile: string;
    readonly removed: readonly PackageUse[];
    readonly actor: string;
  },
): Promise<{ readonly rows: RowCounts; readonly event: Event }> {
  const { profile, removed, actor } = what;
  return await database.transaction().execute(async (queries) => {
    const rows = await removePackages(queries, profile, removed, clock.now());
    const packages = removed.map(({ id, cpv, buildId }) => ({ id, cpv, buildId }));
    const event = await journal.write(queries, {
      kind: 'packages-collected',
      subject: `profile:${profile}`,
      actor,
      data: { packages, bytes: removed.reduce((sum, { size }) => sum + size, 0) },
    });
    return { rows, event };
  });
}

function slices<T>(all: readonly T[], size: number): T[][] {
  const found: T[][] = [];
  for (let start = 0; start < all.length; start += size) {
    found.push(all.slice(start, start + size));
  }
  return found;
}
