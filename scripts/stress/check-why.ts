import type { AgentView } from '../../src/protocol/agents.ts';
import type { JobView, RequestDetail } from '../../src/protocol/builds.ts';

/** An agent that was not heard of for longer is not counted on (`src/builds/waiting-reason.ts`). */
const LIVE_MS = 60_000;
const OPEN = ['leased', 'ready', 'waiting'] as const;

type Why = JobView['why'];
type Needed = Extract<Why, { readonly code: 'needs-job' }>;
type Standstill = NonNullable<Needed['because']>;

type Judged = Pick<RequestDetail, 'reason' | 'jobs' | 'finishedAt'>;

/** What the farm looked like just before and just after a request was looked at. */
export type AgentsAround = readonly (readonly AgentView[])[];

/**
 * What is not true of the reasons that a request gives for its jobs, a sentence each. `judged` are those that were said
 * between the two looks at the agents; all of the request when it is not given.
 */
export function whyFaults(
  detail: Judged,
  agents: AgentsAround,
  judged: readonly JobView[] = detail.jobs,
): string[] {
  const check = new WhyCheck(detail, agents);
  return judged.flatMap((job) => {
    const fault = check.faultOf(job);
    const said = `${job.name} is ${job.state}, and is said to: ${job.whySentence}`;
    return fault === undefined ? [] : [`${said} (${fault}; ${JSON.stringify(job.why)})`];
  });
}

class WhyCheck {
  readonly #detail: Judged;
  readonly #agents: AgentsAround;
  readonly #jobs: ReadonlyMap<string, JobView>;

  constructor(detail: Judged, agents: AgentsAround) {
    this.#detail = detail;
    this.#agents = agents;
    this.#jobs = new Map(detail.jobs.map((job) => [job.id, job]));
  }

  faultOf(job: JobView): string | undefined {
    const { state, why } = job;
    if (this.#detail.finishedAt !== null && isOpen(job)) {
      return 'its request is over';
    }
    if (
      (state === 'waiting' || state === 'ready') &&
      this.#isCancelled &&
      !this.#isWantedElsewhere
    ) {
      return 'its request was cancelled';
    }
    if (state === 'waiting') {
      return why.code === 'needs-job' ? this.#needFault(job, why) : 'it needs something';
    }
    if (state === 'ready') {
      return isStandstill(why) ? this.#standstillFault(job, why) : 'it needs nothing any more';
    }
    return state === 'leased' ? this.#leasedFault(job, why) : overFault(job, why);
  }

  get #isCancelled(): boolean {
    return this.#detail.reason?.includes('Cancelled') ?? false;
  }

  /** Some of what was cancelled goes on for other requests. */
  get #isWantedElsewhere(): boolean {
    return this.#detail.reason?.includes('that other requests wait for') ?? false;
  }

  #leasedFault(job: JobView, why: Why): string | undefined {
    if (why.code === 'stopping') {
      const isRight = this.#isCancelled && why.agent === job.agent;
      return isRight ? undefined : 'nobody has cancelled it';
    }
    if (this.#isCancelled && !this.#isWantedElsewhere) {
      return 'its request was cancelled';
    }
    return why.code === 'building' &&
      why.agent === job.agent &&
      why.attempt === job.attempt &&
      job.whySentence.includes(why.agent)
      ? undefined
      : `${job.agent} has it`;
  }

  #needFault(job: JobView, why: Needed): string | undefined {
    const open = job.needs.flatMap((id) => {
      const needed = this.#jobs.get(id);
      return needed === undefined || needed.state === 'succeeded' ? [] : needed;
    });
    const first = OPEN.find((state) => open.some((needed) => needed.state === state));
    const named = open.find(({ id }) => id === why.job);
    if (named === undefined || named.name !== why.name) {
      return 'it does not need that, or has it';
    }
    if (named.state !== why.state || why.state !== first || why.others !== open.length - 1) {
      return `${named.name} is ${named.state}, the first is ${first}, there are ${open.length}`;
    }
    if (!job.whySentence.includes(named.name)) {
      return `the sentence does not name ${named.name}`;
    }
    return this.#endFault(named, why);
  }

  /** What the chain of needs ends with, and why that stands still. */
  #endFault(named: JobView, why: Needed): string | undefined {
    const { root, because } = why;
    const end = root === null ? named : this.#jobs.get(root.job);
    const claimed = root ?? why;
    if (end === undefined || end.state !== claimed.state || !this.#leadsTo(named, end)) {
      return `its chain does not end with ${claimed.name}, which is ${claimed.state}`;
    }
    if (end.state === 'ready') {
      return because === null ? `${end.name} is ready` : this.#standstillFault(end, because);
    }
    return claimed.agent === end.agent && because === null && end.state === 'leased'
      ? undefined
      : `${end.name} is ${end.state} on ${end.agent}`;
  }

  #leadsTo(from: JobView, to: JobView): boolean {
    return (
      from.id === to.id ||
      from.needs.some((id) => {
        const next = this.#jobs.get(id);
        return next !== undefined && this.#leadsTo(next, to);
      })
    );
  }

  #standstillFault(job: JobView, why: Standstill): string | undefined {
    if (why.code === 'backing-off') {
      const isRight = why.attempt === job.attempt && why.attempt > 0 && why.leftMs > 0;
      return isRight ? undefined : `it had ${job.attempt} attempts`;
    }
    if (why.code === 'no-agent') {
      return this.#agents.some((agents) => agents.length === 0) ? undefined : 'there are agents';
    }
    const holds = OF_AGENTS.get(why.code);
    return holds === undefined || !('agents' in why)
      ? 'nothing of that kind was done here'
      : this.#agentsFault(
          why.agents.map((agent) => (typeof agent === 'string' ? agent : agent.name)),
          holds,
        );
  }

  /**
   * It has to be true of each that is named, before or after. Of one that changed between nothing is known: its jobs are
   * others, or it is in one of the two lists only.
   */
  #agentsFault(names: readonly string[], holds: (agent: AgentView) => boolean): string | undefined {
    const wrong = names.filter((name) => {
      const looks = this.#agents.map((agents) => agents.find((one) => one.name === name));
      const seen = looks.filter((agent) => agent !== undefined);
      const hasChanged = new Set(looks.map((agent) => agent?.jobIds.join(' '))).size > 1;
      return !hasChanged && !seen.some(holds);
    });
    const seen = this.#agents.map((agents) =>
      agents.map(({ name, jobIds, lastSeenAt }) => `${name} [${jobIds.join(' ')}] ${lastSeenAt}`),
    );
    return names.length > 0 && wrong.length === 0
      ? undefined
      : `not so: ${wrong.join(', ')}; before and after: ${JSON.stringify(seen)}`;
  }
}

function isOpen({ state }: JobView): boolean {
  return OPEN.some((open) => open === state);
}

function overFault(job: JobView, why: Why): string | undefined {
  if (why.code === 'succeeded') {
    const isRight = job.state === why.code && why.agent === job.agent;
    return isRight && why.attempt === job.attempt ? undefined : 'it was not built so';
  }
  return why.code === job.state &&
    'reason' in why &&
    why.reason === job.reason &&
    job.whySentence.includes(why.reason)
    ? undefined
    : 'it is over';
}

/** What has to hold of the agents that a reason names. */
const OF_AGENTS = new Map<Standstill['code'], (agent: AgentView) => boolean>([
  ['next', (agent) => isFree(agent) && isLive(agent)],
  ['agents-busy', (agent) => !isFree(agent)],
  ['agents-away', (agent) => !isLive(agent)],
  ['agents-inactive', (agent) => agent.state !== 'active'],
]);

function isFree(agent: AgentView): boolean {
  return agent.jobIds.length < agent.slots && agent.state === 'active';
}

function isLive(agent: AgentView): boolean {
  return agent.lastSeenAt > Date.now() - LIVE_MS;
}

const OTHER_CODES = [
  'needs-job',
  'building',
  'stopping',
  'succeeded',
  'failed',
  'cancelled',
  'joined',
];

function isStandstill(why: Why): why is Standstill {
  return ![...OTHER_CODES, 'skipped'].includes(why.code);
}
