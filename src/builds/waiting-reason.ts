import type { Executor } from '../gentoo/profile.ts';
import type { AgentRecord } from './builds.ts';
import type { JobState } from './request.ts';

/** An agent that has not reported for longer is not counted on. */
export const LIVE_AGENT_MS = 60_000;

export interface NeededJob {
  readonly name: string;
  readonly state: JobState;
  readonly agent: string | null;
}

/** Why a job in state `waiting` does so: its needs that have not succeeded, the most telling first. */
export function whyWaiting(needs: readonly NeededJob[]): string {
  const open = needs.filter(({ state }) => state !== 'succeeded');
  const first = NEXT_STATES.flatMap((wanted) => open.filter(({ state }) => state === wanted))[0];
  if (first === undefined) {
    return 'waits for its turn';
  }
  const more = open.length === 1 ? '' : `, and for ${open.length - 1} more`;
  return `waits for ${first.name}, ${progressOf(first)}${more}`;
}

const NEXT_STATES: readonly JobState[] = ['leased', 'ready', 'waiting'];

function progressOf(job: NeededJob): string {
  if (job.state === 'leased') {
    return `building on ${job.agent ?? 'an agent'}`;
  }
  return job.state === 'ready' ? 'which waits for an agent' : 'which waits itself';
}

/** Why a job in state `ready` has not begun, given the agents that could take it. */
export function whyReady(executor: Executor, agents: readonly AgentRecord[], now: number): string {
  const live = agents.filter(
    (agent) => agent.executors.includes(executor) && agent.lastSeenAt > now - LIVE_AGENT_MS,
  );
  const wanted = `an agent with the executor ${executor}`;
  if (live.length === 0) {
    return `waits for ${wanted}; none has reported in the last minute`;
  }
  const busy = live.filter(({ jobIds }) => jobIds.length > 0);
  if (busy.length < live.length) {
    return `waits for ${wanted} to ask for work; ${listNames(live.filter((agent) => !busy.includes(agent)))} should soon`;
  }
  return `waits for ${wanted} to be free; ${listNames(busy)} ${busy.length === 1 ? 'is' : 'are'} building`;
}

function listNames(agents: readonly AgentRecord[]): string {
  const names = agents.map(({ name }) => name).toSorted();
  return names.length <= 3
    ? names.join(', ')
    : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
