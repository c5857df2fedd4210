import type {
  FarmPort,
  Key,
  Leased,
  Report,
  ReportAnswer,
} from '../../scripts/simulation/farm-port.ts';
import { isAppError } from '../../src/support/errors.ts';
import { packageBytes } from './fake-repository.ts';
import { cpvOf, type Farm } from './farm.ts';

/** Whoever asks makes the room end leases that have expired; this one gets nothing. */
const SWEEPER = 'sweeper';

/** The real build room, with its real database, as simulated agents see it. */
export class RoomPort implements FarmPort {
  readonly #farm: Farm;
  readonly #names = new Map<string, string>();
  #now: number;

  constructor(farm: Farm) {
    this.#farm = farm;
    this.#now = farm.clock.now();
  }

  async open(): Promise<this> {
    await this.#farm.agent(SWEEPER, []);
    return this;
  }

  async setNow(now: number): Promise<void> {
    this.#farm.clock.advance(now - this.#now);
    this.#now = now;
    await this.#farm.lease(SWEEPER);
  }

  async lease(agent: string): Promise<Leased | undefined> {
    const lease = await this.#farm.lease(agent);
    if (lease === undefined) {
      return undefined;
    }
    const name = cpvOf(lease);
    this.#names.set(lease.jobId, name);
    return { jobId: lease.jobId, attempt: lease.attempt, name };
  }

  async heartbeat(key: Key): Promise<'go-on' | 'stale'> {
    try {
      await this.#farm.builds.heartbeat(key);
      return 'go-on';
    } catch (error) {
      return staleOr(error);
    }
  }

  async report(key: Key, { outcome, hasPackage }: Report): Promise<ReportAnswer> {
    const { builds } = this.#farm;
    try {
      const wasHeld = await this.#isHeld(key);
      if (hasPackage) {
        const name = this.#names.get(key.jobId) ?? '';
        const bytes = packageBytes(name, `${key.jobId}/${key.attempt}`);
        await this.#farm.uploadTo(builds, key, bytes);
      }
      await builds.acceptResult(key, { outcome, reason: 'It does not compile.' });
      return wasHeld ? 'accepted' : 'agreed';
    } catch (error) {
      return isAppError(error, 'result-missing') ? 'refused' : staleOr(error);
    }
  }

  async openJobs(): Promise<number> {
    const rows = await this.#farm.database
      .selectFrom('jobs')
      .select('id')
      .where('state', 'in', ['waiting', 'ready', 'leased'])
      .execute();
    return rows.length;
  }

  async #isHeld(key: Key): Promise<boolean> {
    const job = await this.#farm.builds.findJob(key.jobId);
    return job?.state === 'leased' && job.attempt === key.attempt && job.agent === key.agent;
  }
}

function staleOr(error: unknown): 'stale' {
  if (isAppError(error, 'stale-attempt')) {
    return 'stale';
  }
  throw error;
}
