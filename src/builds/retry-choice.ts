import type { Queries } from '../database/database.ts';
import type { AgentRow } from '../database/tables.ts';
import { agentRows, toAgent } from './agent-store.ts';
import type { AgentRecord } from './builds.ts';
import { troubledJobs } from './job-store.ts';
import { LIVE_AGENT_MS } from './waiting-reason.ts';

/** What an agent must be able to do for a job. */
export interface Demand {
  readonly executor: string;
}

/** Whether the agent could do the job at all, whatever it does now. */
export function fits(agent: Pick<AgentRecord, 'executors'>, demand: Demand): boolean {
  return agent.executors.some((executor) => executor === demand.executor);
}

/** The agents that could take a job now or soon: alive, active, and able to. */
export function candidates(rows: readonly AgentRow[], demand: Demand, now: number): string[] {
  return rows
    .filter((row) => row.state === 'active' && row.last_seen_at > now - LIVE_AGENT_MS)
    .filter((row) => fits(toAgent(row, []), demand))
    .map(({ name }) => name);
}

/** An agent that has failed or lost a job leaves it to others, as long as there is one that has not. */
export function mustLeave(
  agent: string,
  failedOn: ReadonlySet<string>,
  others: readonly string[],
): boolean {
  return failedOn.has(agent) && others.some((other) => !failedOn.has(other));
}

/** Agent -> ready jobs that it must leave to others. Empty on a farm where nothing has failed. */
export async function jobsToLeave(queries: Queries, now: number): Promise<Map<string, string[]>> {
  const failures = new Map<string, { readonly executor: string; readonly agents: Set<string> }>();
  for (const { id, executor, agent } of await troubledJobs(queries)) {
    const failure = failures.get(id) ?? { executor, agents: new Set() };
    failure.agents.add(agent);
    failures.set(id, failure);
  }
  const toLeave = new Map<string, string[]>();
  const rows = failures.size === 0 ? [] : await agentRows(queries);
  for (const [id, { executor, agents }] of failures) {
    const others = candidates(rows, { executor }, now);
    for (const agent of agents) {
      if (mustLeave(agent, agents, others)) {
        toLeave.set(agent, [...(toLeave.get(agent) ?? []), id]);
      }
    }
  }
  return toLeave;
}

/** Whether this agent may be given a job at all; `holds` is how many it has. */
export function mayTake(agent: AgentRow, holds: number, now: number): boolean {
  const isTrialDue = agent.trial_at !== null && agent.trial_at <= now && holds === 0;
  return agent.state === 'active' || (agent.state === 'taken-out' && isTrialDue);
}
