import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import { repeating } from '../support/schedule.ts';
import type { Background } from './background.ts';
import type { BuildsContext } from './builds-context.ts';
import { LONGEST_TRIAL } from './circuit-breaker.ts';
import { boundTimes } from './clock-jumps.ts';
import { resumePublishing } from './finish-request.ts';
import { hasComeDue } from './job-store.ts';
import { type Claim, expireLeases } from './lease-job.ts';
import { prolongLeases } from './lease-store.ts';
import { endOverdue } from './overdue.ts';
import { packEndedLogs } from './pack-ended-logs.ts';
import { placeOldJobs } from './place-jobs.ts';
import type { Queue } from './queue.ts';
import { seenAgentsWriter } from './seen-agents.ts';

/** Expired leases are looked for this often, and also whenever somebody asks for a job. */
const LONGEST_SWEEP_MS = 5_000;
/** How late a page may show what an agent has told another server. */
const LOG_LOOK_MS = 1_000;

export interface ServiceParts {
  readonly queue: Queue<Claim>;
  readonly background: Background;
  readonly unlisten: () => void;
  readonly othersServe: boolean;
}

/**
 * The life of the room. A restart gives every running lease its whole length again, so that an agent which goes on
 * trying goes on with the same attempt; and it takes up what was being published.
 */
export function createBuildsService(context: BuildsContext, parts: ServiceParts): Service {
  const stopping = new AbortController();
  const sweeping = new Sweeping(context, parts.queue);
  const { leaseMs, heartbeatMs } = context.settings;
  const sweep = repeating({
    name: 'lease sweep',
    everyMs: Math.max(10, Math.min(LONGEST_SWEEP_MS, heartbeatMs, leaseMs / 4)),
    work: async () => {
      await sweeping.sweep();
    },
    onError: (error) => {
      context.log.error({ error: messageOf(error) }, 'the sweep of leases failed');
    },
  });
  const logLook = repeating({
    name: 'look at logs',
    everyMs: LOG_LOOK_MS,
    work: async () => {
      context.logs.notifyAll();
    },
    onError: (error) => {
      context.log.error({ error: messageOf(error) }, 'looking at logs failed');
    },
  });
  const writeSeen = seenAgentsWriter(context);
  return {
    name: 'builds',
    start: async () => {
      await mkdir(join(context.folders.state, 'logs'), { recursive: true });
      await placeOldJobs(context);
      await sweeping.begin();
      context.inBackground('pack logs', async () => {
        await packEndedLogs(context, stopping.signal);
      });
      await sweep.start();
      await writeSeen.start();
      if (parts.othersServe) {
        await logLook.start();
      }
    },
    stop: async () => {
      stopping.abort();
      await sweep.stop();
      await logLook.stop();
      await parts.queue.stop();
      parts.unlisten();
      await parts.background.idle();
      await writeSeen.stop();
    },
  };
}

/** What has to be looked at again and again: leases, what has come due, what is being published. */
class Sweeping {
  readonly #context: BuildsContext;
  readonly #queue: Queue<Claim>;
  #startedAt = 0;
  #lookedAt = 0;
  #publishAgainAt = 0;

  constructor(context: BuildsContext, queue: Queue<Claim>) {
    this.#context = context;
    this.#queue = queue;
  }

  async begin(): Promise<void> {
    const { clock, database, settings } = this.#context;
    this.#startedAt = clock.now();
    const lease = this.#startedAt + settings.leaseMs;
    await prolongLeases(database, lease);
    await boundTimes(database, {
      lease,
      retry: this.#startedAt + settings.retry.maximumMs,
      trial: this.#startedAt + LONGEST_TRIAL * settings.breaker.trialMs,
    });
    await this.#publish();
  }

  async sweep(): Promise<void> {
    const { clock, database } = this.#context;
    await expireLeases(this.#context);
    await endOverdue(this.#context, this.#startedAt);
    const now = clock.now();
    // A clock that was set back: everything may have come due.
    const after = this.#lookedAt > now ? 0 : this.#lookedAt;
    if (await hasComeDue(database, { after, until: now })) {
      this.#queue.wake();
    }
    this.#lookedAt = now;
    if (now >= this.#publishAgainAt) {
      await this.#publish();
    }
  }

  async #publish(): Promise<void> {
    const { clock, settings } = this.#context;
    this.#publishAgainAt = clock.now() + settings.leaseMs;
    await resumePublishing(this.#context);
  }
}
