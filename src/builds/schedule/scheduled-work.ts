import type { Queries } from '../../database/database.ts';
import type { ScheduledWork } from '../../gentoo/schedule-policy.ts';
import type { RepositoryCheck } from '../../repository/check/repository-check.ts';
import type { Retention } from '../../repository/retention/retention.ts';
import { isAppError, messageOf } from '../../support/errors.ts';
import type { Builds } from '../builds.ts';
import { FINAL_REQUEST_STATES } from '../request.ts';
import { findAskedRequest, type RunKey, type RunRow } from './schedule-store.ts';

/** What runs have done. */
export interface Workers {
  readonly database: Queries;
  readonly builds: Builds;
  readonly check: RepositoryCheck;
  readonly retention: Retention;
}

/** Where a run stands. */
export type Standing =
  | { readonly state: 'running'; readonly requestId?: string }
  | {
      readonly state: 'done' | 'failed' | 'cancelled' | 'interrupted';
      readonly reason: string | null;
    };

/** As `repository check` does without options: what was read within 30 days is not read again. */
const CHECK_AGE_MS = 30 * 86_400_000;
const CUT_OFF = 'The server ended while it was under way.';

/** Does the work of runs, and knows how it goes. What is not in the database is known of this process only. */
export class WorkOfRuns {
  readonly #workers: Workers;
  /** Of checks and collections: when the check began, or how the collection went. */
  readonly #checks = new Map<string, number>();
  readonly #collections = new Map<string, Standing>();
  readonly #collecting = new Set<Promise<unknown>>();

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  async idle(): Promise<void> {
    await Promise.all(this.#collecting);
  }

  /**
   * Begins the work of a run, or finds that it was begun: a request names the run it was made for. A refusal is where it
   * stands; what else goes wrong is thrown, and the run can be begun again.
   */
  async begin(key: RunKey, work: ScheduledWork): Promise<Standing> {
    try {
      if (work.do === 'request') {
        return { state: 'running', requestId: await this.#ask(key, work) };
      }
      if (work.do === 'check') {
        const options = { deep: work.deep, all: false, maxAgeMs: CHECK_AGE_MS };
        const { startedAt } = await this.#workers.check.begin(options, authorOf(key));
        this.#checks.set(idOf(key), startedAt);
      } else {
        this.#collect(key);
      }
      return { state: 'running' };
    } catch (error) {
      if (isAppError(error, 'nothing-to-rebuild')) {
        return { state: 'done', reason: error.message };
      }
      if (isAppError(error)) {
        return { state: 'failed', reason: error.message };
      }
      throw error;
    }
  }

  /** Where a run stands that was begun. */
  async standing(row: RunRow, work: ScheduledWork): Promise<Standing> {
    if (work.do === 'request') {
      return await this.#requestStanding(row.request_id ?? '');
    }
    const id = idOf({ profile: row.profile, name: row.name, plannedAt: row.planned_at });
    const cutOff = { state: 'interrupted', reason: CUT_OFF } as const;
    const standing =
      work.do === 'check' ? this.#checkStanding(id) : (this.#collections.get(id) ?? cutOff);
    if (standing.state !== 'running') {
      this.#checks.delete(id);
      this.#collections.delete(id);
    }
    return standing;
  }

  async #ask(key: RunKey, work: ScheduledWork & { readonly do: 'request' }): Promise<string> {
    const { profile, name, plannedAt } = key;
    const author = authorOf(key);
    const reason = `Schedule ${name}, planned for ${new Date(plannedAt).toISOString()}.`;
    const asked = await findAskedRequest(this.#workers.database, { author, reason });
    if (asked !== undefined) {
      return asked;
    }
    const { atoms, publish, partial, rebuildFor, sync, rebuild, resolve, retry, priority } = work;
    const request = await this.#workers.builds.createRequest({
      profile,
      atoms,
      rebuild,
      resolve,
      partial,
      sync,
      retry,
      priority,
      author,
      reason,
      ...(publish !== null && { publish }),
      ...(rebuildFor !== null && { rebuildFor }),
    });
    return request.id;
  }

  #collect(key: RunKey): void {
    const id = idOf(key);
    this.#collections.set(id, { state: 'running' });
    const running: Promise<unknown> = this.#collected(key).then((standing) => {
      this.#collections.set(id, standing);
      return this.#collecting.delete(running);
    });
    this.#collecting.add(running);
  }

  /** How a collection ends; never rejects. */
  async #collected(key: RunKey): Promise<Standing> {
    try {
      const { profile } = key;
      await this.#workers.retention.collect({ dryRun: false, profile, actor: authorOf(key) });
      return { state: 'done', reason: null };
    } catch (error) {
      return { state: 'failed', reason: messageOf(error) };
    }
  }

  async #requestStanding(id: string): Promise<Standing> {
    const request = await this.#workers.builds.findRequest(id);
    if (request === undefined) {
      return { state: 'failed', reason: `The request ${id} is gone.` };
    }
    const { state, reason } = request;
    if (!FINAL_REQUEST_STATES.includes(state)) {
      return { state: 'running', requestId: id };
    }
    return { state: state === 'cancelled' || state === 'done' ? state : 'failed', reason };
  }

  #checkStanding(id: string): Standing {
    const startedAt = this.#checks.get(id);
    const check = this.#workers.check.state();
    if (startedAt === undefined || check?.startedAt !== startedAt) {
      return { state: 'interrupted', reason: CUT_OFF };
    }
    const { state, error, findings } = check;
    if (state === 'running') {
      return { state };
    }
    const found = findings === 0 ? null : `It found ${findings} faults: rookery repository check.`;
    return { state, reason: error ?? found };
  }
}

/** Who has asked, as requests and the journal say it. */
export function authorOf({ profile, name }: Pick<RunKey, 'profile' | 'name'>): string {
  return `schedule:${profile}/${name}`;
}

function idOf({ profile, name, plannedAt }: RunKey): string {
  return `${profile}/${name}/${plannedAt}`;
}
