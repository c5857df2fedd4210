import { type AgentView, agentListSchema } from '../../src/protocol/agents.ts';
import {
  type JobView,
  jobDetailSchema,
  type RequestDetail,
  requestDetailSchema,
} from '../../src/protocol/builds.ts';
import { sleep } from '../../src/support/clock.ts';
import { isNetworkError } from '../../test/support/insist.ts';
import type { TestServer } from '../../test/support/rookery-process.ts';
import { whyFaults } from './check-why.ts';

const LOOK_EVERY_MS = 60;
const FINAL_JOBS = ['succeeded', 'failed', 'skipped', 'cancelled'];

/** Looks at requests all the time: what was once said has to stay true, and each reason has to be true when it is said. */
export class Observer {
  readonly faults = new Set<string>();
  /** How often each reason was given. */
  readonly reasons = new Map<string, number>();
  looks = 0;
  looksAtOne = 0;
  readonly #server: TestServer;
  readonly #requests = new Map<string, RequestDetail | undefined>();
  readonly #logs = new Map<string, string>();

  constructor(server: TestServer) {
    this.#server = server;
  }

  /** From now on this request was acknowledged. */
  watch(request: string): void {
    this.#requests.set(request, undefined);
  }

  async run(running: () => boolean): Promise<void> {
    while (running()) {
      for (const [id, last] of this.#requests) {
        if (last === undefined || last.finishedAt === null) {
          await this.#whenUp(async () => await this.#look(id));
        }
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** Looks at all that was ever acknowledged; the server has to be there. */
  async lookAtAll(): Promise<RequestDetail[]> {
    const found: RequestDetail[] = [];
    for (const id of this.#requests.keys()) {
      found.push(await this.#look(id));
    }
    return found;
  }

  async #whenUp(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isNetworkError(error)) {
        throw error;
      }
    }
  }

  async #look(id: string): Promise<RequestDetail> {
    const before = await this.#agents();
    const detail = await this.#detail(id);
    const after = await this.#agents();
    this.looks += 1;
    for (const { why } of detail.jobs) {
      this.reasons.set(why.code, (this.reasons.get(why.code) ?? 0) + 1);
    }
    this.#note(...whyFaults(detail, [before, after]));
    this.#compare(this.#requests.get(id), detail);
    this.#requests.set(id, detail);
    for (const job of detail.jobs.filter(({ state }) => state === 'leased')) {
      await this.#lookAtLog(job);
    }
    await this.#lookAtOne(detail);
    return detail;
  }

  /** What `build why` says of one job, when nothing of its request has changed meanwhile. */
  async #lookAtOne(before: RequestDetail): Promise<void> {
    const chosen = before.jobs[this.looks % before.jobs.length];
    if (chosen === undefined) {
      return;
    }
    const agents = await this.#agents();
    const one = jobDetailSchema.parse(await this.#get(`/api/jobs/${chosen.id}`));
    const agentsAfter = await this.#agents();
    const after = await this.#detail(before.id);
    if (standing(before) === standing(after)) {
      this.looksAtOne += 1;
      const jobs = before.jobs.map((job) => (job.id === one.id ? one : job));
      this.#note(...whyFaults({ ...after, jobs }, [agents, agentsAfter], [one]));
    }
  }

  async #agents(): Promise<readonly AgentView[]> {
    return agentListSchema.parse(await this.#get('/api/agents')).agents;
  }

  async #detail(id: string): Promise<RequestDetail> {
    return requestDetailSchema.parse(await this.#get(`/api/requests/${id}`));
  }

  /** An answer, or a fault; a database that is away is like a server that is. */
  async #get(path: string): Promise<unknown> {
    const { status, body } = await this.#server.call('GET', path);
    if (status >= 500) {
      throw new TypeError(`${path} was answered ${status}`);
    }
    if (status !== 200) {
      this.#note(`${path} was answered ${status}: ${JSON.stringify(body)}`);
    }
    return body;
  }

  #note(...faults: readonly string[]): void {
    for (const fault of faults) {
      this.faults.add(fault);
    }
  }

  #compare(last: RequestDetail | undefined, now: RequestDetail): void {
    if (last === undefined) {
      return;
    }
    if (last.finishedAt !== null && last.state !== now.state) {
      this.#note(`the request ${now.id} was ${last.state} and is ${now.state}`);
    }
    const jobs = new Map(now.jobs.map((job) => [job.id, job]));
    for (const before of last.jobs) {
      const after = jobs.get(before.id);
      const wasOver = FINAL_JOBS.includes(before.state);
      const isSame = after?.state === before.state && after.packageId === before.packageId;
      if (after === undefined || after.attempt < before.attempt || (wasOver && !isSame)) {
        this.#note(`${before.name} was ${shown(before)} and is ${after && shown(after)}`);
      }
    }
  }

  /** A log grows at its end only. */
  async #lookAtLog({ id, attempt }: JobView): Promise<void> {
    const path = `/api/jobs/${id}/log?attempt=${attempt}`;
    const response = await fetch(this.#server.url + path);
    const text = await response.text();
    const before = this.#logs.get(path) ?? '';
    if (response.ok && !text.startsWith(before)) {
      this.#note(`the log of ${id}, attempt ${attempt}, has lost what it had`);
    }
    if (response.ok) {
      this.#logs.set(path, text);
    }
  }
}

function standing({ reason, jobs }: RequestDetail): string {
  return JSON.stringify([reason, jobs.map(({ id, state, attempt }) => [id, state, attempt])]);
}

function shown({ state, attempt, packageId }: JobView): string {
  return `${state} at attempt ${attempt} with ${packageId ?? 'no package'}`;
}
