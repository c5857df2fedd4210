import type { Database } from '../../database/database.ts';
import type { ScheduleRow } from '../../database/tables.ts';
import type { ProfileCatalog } from '../../gentoo/profile.ts';
import { type SchedulePolicy, scheduledWorkSchema } from '../../gentoo/schedule-policy.ts';
import type { NewEvent } from '../../journal/event.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Clock } from '../../support/clock.ts';
import { AppError, messageOf } from '../../support/errors.ts';
import type { Service } from '../../support/lifecycle.ts';
import type { Locks } from '../../support/locks.ts';
import type { Log } from '../../support/log.ts';
import { repeating } from '../../support/schedule.ts';
import { beginOf, dueTimes, nextPlanned, type ScheduleKey } from './due-times.ts';
import { judgeDue } from './judge-due.ts';
import {
  beginSchedule,
  changeRun,
  changeSchedule,
  forgetRuns,
  insertRun,
  lastRuns,
  openRuns,
  type RunRow,
  scheduleRows,
} from './schedule-store.ts';
import { authorOf, type Standing, type Workers, WorkOfRuns } from './scheduled-work.ts';
import { type ScheduledRun, type ScheduleRecord, type Schedules, toRun } from './schedules.ts';

export interface SchedulerOptions extends Workers {
  readonly database: Database;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** They hold over all servers: looking, and what people ask for, come one after the other. */
  readonly locks: Locks;
  /** Those that new requests may be made for. */
  readonly profiles: ProfileCatalog;
}

const LOOK_EVERY_MS = 1000;
/** Runs are forgotten when they are so old. */
const KEEP_RUNS_MS = 400 * 86_400_000;
const NEXT_SHOWN = 3;

/**
 * Begins what the schedules of the profiles have planned, and follows it to its end. A planned time has one row, which
 * is written before anything is done: that makes it happen once, whenever the server is killed.
 */
export class Scheduler implements Schedules, Service {
  readonly name = 'schedules';
  readonly #options: SchedulerOptions;
  readonly #work: WorkOfRuns;
  readonly #looking: Service;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#work = new WorkOfRuns(options);
    this.#looking = repeating({
      name: 'look at schedules',
      everyMs: LOOK_EVERY_MS,
      work: async () => {
        await this.look();
      },
      onError: (error) => {
        options.log.error({ error: messageOf(error) }, 'the schedules were not looked at');
      },
    });
  }

  async start(): Promise<void> {
    await this.#looking.start();
  }

  async stop(): Promise<void> {
    await this.#looking.stop();
    await this.#work.idle();
  }

  /** Ends what has ended and begins what is due now. */
  async look(): Promise<void> {
    await this.#inTurn(async () => {
      for (const row of await openRuns(this.#options.database)) {
        await this.#sayingWhatFails(row, async () => {
          await this.#follow(row);
        });
      }
      const rows = await scheduleRows(this.#options.database);
      const byKey = new Map(rows.map((row) => [nameOf(row), row]));
      for (const { key, policy } of this.#schedules()) {
        await this.#sayingWhatFails(key, async () => {
          await this.#lookAt(key, policy, byKey.get(nameOf(key)));
        });
      }
    });
  }

  /** One that fails does not keep the others back; it is tried again at the next look. */
  async #sayingWhatFails(key: ScheduleKey, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { profile, name } = key;
      this.#options.log.error({ profile, name, error: messageOf(error) }, 'a schedule failed');
    }
  }

  async list(runs: number): Promise<ScheduleRecord[]> {
    const { database, clock } = this.#options;
    const rows = await scheduleRows(database);
    const records = [];
    for (const { key, policy } of this.#schedules()) {
      const row = rows.find((one) => nameOf(one) === nameOf(key));
      const isPaused = row !== undefined && row.paused_at !== null;
      const after = row?.policy === timesOf(policy) ? row.done_until : clock.now();
      records.push({
        ...key,
        policy,
        pausedAt: row?.paused_at ?? null,
        pausedBy: row?.paused_by ?? null,
        next: isPaused ? [] : nextBegins(key, policy, after),
        runs: (await lastRuns(database, key, runs)).map(toRun),
      });
    }
    return records;
  }

  async run(key: ScheduleKey, actor: string): Promise<ScheduledRun> {
    return await this.#inTurn(async () => {
      const policy = this.#policyOf(key);
      const { database, clock } = this.#options;
      const open = await this.#openRunOf(key);
      const row = { ...startingRow(key, policy, clock.now()), actor };
      if (open !== undefined || !(await insertRun(database, row))) {
        throw new AppError(
          'schedule-running',
          `The last run of the schedule ${nameOf(key)} is still under way.`,
          { details: { ...key, requestId: open?.request_id ?? null } },
        );
      }
      if (policy.work.do === 'request') {
        await this.#begin(row);
      }
      // Anything else is work of the server that looks, which begins what it finds starting.
      const [run] = await lastRuns(database, key, 1);
      return toRun(run ?? row);
    });
  }

  async pause(key: ScheduleKey, actor: string): Promise<void> {
    await this.#inTurn(async () => {
      const row = await this.#rowOf(key);
      if (row.paused_at !== null) {
        throw new AppError('schedule-paused', `The schedule ${nameOf(key)} is paused already.`, {
          details: { ...key },
        });
      }
      const paused_at = this.#options.clock.now();
      await this.#change(key, { paused_at, paused_by: actor }, { kind: 'schedule-paused', actor });
    });
  }

  async resume(key: ScheduleKey, actor: string): Promise<void> {
    await this.#inTurn(async () => {
      if ((await this.#rowOf(key)).paused_at === null) {
        throw new AppError('schedule-not-paused', `The schedule ${nameOf(key)} is not paused.`, {
          details: { ...key },
        });
      }
      const values = { paused_at: null, paused_by: null, done_until: this.#options.clock.now() };
      await this.#change(key, values, { kind: 'schedule-resumed', actor });
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return await this.#options.locks.run('schedules', work);
  }

  #schedules(): { readonly key: ScheduleKey; readonly policy: SchedulePolicy }[] {
    return this.#options.profiles.list().flatMap(({ name: profile, schedules = {} }) =>
      Object.entries(schedules)
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .map(([name, policy]) => ({ key: { profile, name }, policy })),
    );
  }

  #policyOf(key: ScheduleKey): SchedulePolicy {
    const { schedules = {} } = this.#options.profiles.get(key.profile);
    const policy = Object.hasOwn(schedules, key.name) ? schedules[key.name] : undefined;
    if (policy === undefined) {
      const known = Object.keys(schedules).join(', ') || 'none';
      throw new AppError(
        'unknown-schedule',
        `The profile ${key.profile} has no schedule ${key.name}; it has ${known}.`,
        { details: { ...key } },
      );
    }
    return policy;
  }

  /** The row of a schedule, which is made when there is none. */
  async #rowOf(key: ScheduleKey): Promise<ScheduleRow> {
    const policy = this.#policyOf(key);
    const find = async (): Promise<ScheduleRow | undefined> =>
      (await scheduleRows(this.#options.database)).find((one) => nameOf(one) === nameOf(key));
    const row = await find();
    if (row !== undefined) {
      return row;
    }
    await this.#anew(key, policy);
    return (await find()) ?? fail(`the schedule ${nameOf(key)} is gone`);
  }

  async #anew(key: ScheduleKey, policy: SchedulePolicy): Promise<void> {
    const { database, clock } = this.#options;
    const doneUntil = clock.now();
    await beginSchedule(database, key, { policy: timesOf(policy), doneUntil });
  }

  async #change(
    key: ScheduleKey,
    values: Parameters<typeof changeSchedule>[2],
    { kind, actor }: { readonly kind: string; readonly actor: string },
  ): Promise<void> {
    const { database, journal } = this.#options;
    const event = await database.transaction().execute(async (queries) => {
      await changeSchedule(queries, key, values);
      return await journal.write(queries, { ...eventOf(key, kind, {}), actor });
    });
    journal.announce(event);
  }

  async #openRunOf(key: ScheduleKey): Promise<RunRow | undefined> {
    const open = await openRuns(this.#options.database);
    return open.find((row) => nameOf(row) === nameOf(key));
  }

  async #lookAt(
    key: ScheduleKey,
    policy: SchedulePolicy,
    row: ScheduleRow | undefined,
  ): Promise<void> {
    if (row === undefined || row.policy !== timesOf(policy)) {
      await this.#anew(key, policy);
      return;
    }
    const now = this.#options.clock.now();
    const due =
      row.paused_at === null ? dueTimes(key, policy, { doneUntil: row.done_until, now }) : [];
    const last = due.at(-1);
    if (last !== undefined) {
      await this.#take(key, policy, { due, last, now });
    }
  }

  /** Notes what becomes of the planned times, in one transaction, and begins the run if there is one. */
  async #take(
    key: ScheduleKey,
    policy: SchedulePolicy,
    {
      due,
      last,
      now,
    }: { readonly due: readonly number[]; readonly last: number; readonly now: number },
  ): Promise<void> {
    const { database, journal } = this.#options;
    const open = await this.#openRunOf(key);
    const { over, starts, events } = judgeDue(key, policy, { due, now, open });
    const taken = await database.transaction().execute(async (queries) => {
      await changeSchedule(queries, key, { done_until: last });
      await forgetRuns(queries, key, now - KEEP_RUNS_MS);
      for (const { plannedAt, state, reason } of over) {
        const row = startingRow(key, policy, plannedAt);
        await insertRun(queries, { ...row, state, reason, started_at: null, finished_at: now });
      }
      const starting = { ...startingRow(key, policy, last), started_at: now };
      const isOurs = starts && (await insertRun(queries, starting));
      const written = [];
      for (const { kind, data } of events) {
        written.push(await journal.write(queries, eventOf(key, kind, data)));
      }
      return { begun: isOurs ? starting : undefined, written };
    });
    journal.announce(...taken.written);
    if (taken.begun !== undefined) {
      await this.#begin(taken.begun);
    }
  }

  async #begin(row: RunRow): Promise<void> {
    const key = { profile: row.profile, name: row.name, plannedAt: row.planned_at };
    const standing = await this.#work.begin(key, workOf(row));
    const requestId = 'requestId' in standing ? standing.requestId : undefined;
    if (standing.state === 'running') {
      const request = requestId === undefined ? {} : { requestId };
      await this.#note(row, { state: 'running', request_id: requestId ?? null }, [
        { kind: 'schedule-started', data: { plannedAt: row.planned_at, ...request } },
      ]);
    } else {
      await this.#end(row, standing);
    }
  }

  /** Goes on with a run that a killed server had begun, or ends one that is over. */
  async #follow(row: RunRow): Promise<void> {
    if (row.state === 'starting') {
      await this.#begin(row);
      return;
    }
    const standing = await this.#work.standing(row, workOf(row));
    if (standing.state !== 'running') {
      await this.#end(row, standing);
    }
  }

  async #end(row: RunRow, { state, reason }: Exclude<Standing, { readonly state: 'running' }>) {
    const finished_at = this.#options.clock.now();
    await this.#note(row, { state, reason, finished_at }, [
      { kind: 'schedule-ended', data: { plannedAt: row.planned_at, state, reason } },
    ]);
  }

  async #note(
    { profile, name, planned_at: plannedAt, actor }: RunRow,
    values: Parameters<typeof changeRun>[2],
    events: readonly Pick<NewEvent, 'kind' | 'data'>[],
  ): Promise<void> {
    const { database, journal } = this.#options;
    const written = await database.transaction().execute(async (queries) => {
      await changeRun(queries, { profile, name, plannedAt }, values);
      const all = [];
      for (const { kind, data } of events) {
        all.push(
          await journal.write(queries, { ...eventOf({ profile, name }, kind, data), actor }),
        );
      }
      return all;
    });
    journal.announce(...written);
  }
}

function nameOf({ profile, name }: Pick<ScheduleKey, 'profile' | 'name'>): string {
  return `${profile}/${name}`;
}

/** What decides when runs begin; what they do may change without starting anew. */
function timesOf({ cron, timeZone, jitterMs }: SchedulePolicy): string {
  return JSON.stringify({ cron, timeZone, jitterMs });
}

function eventOf(key: ScheduleKey, kind: string, data: NewEvent['data']): NewEvent {
  const { profile, name: schedule } = key;
  const subject = authorOf(key);
  return { kind, subject, actor: 'server', data: { profile, schedule, ...data } };
}

function startingRow(key: ScheduleKey, policy: SchedulePolicy, plannedAt: number): RunRow {
  return {
    profile: key.profile,
    name: key.name,
    planned_at: plannedAt,
    started_at: plannedAt,
    finished_at: null,
    state: 'starting',
    reason: null,
    request_id: null,
    work_json: JSON.stringify(policy.work),
    actor: 'server',
  };
}

function workOf(row: RunRow) {
  return scheduledWorkSchema.parse(JSON.parse(row.work_json));
}

function nextBegins(key: ScheduleKey, policy: SchedulePolicy, after: number): number[] {
  const begins: number[] = [];
  let planned = nextPlanned(policy, after);
  while (planned !== undefined && begins.length < NEXT_SHOWN) {
    begins.push(beginOf(key, policy, planned));
    planned = nextPlanned(policy, planned);
  }
  return begins;
}

function fail(message: string): never {
  throw new Error(message);
}
