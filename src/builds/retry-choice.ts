import type { Queries } from '../database/database.ts';
import type { AgentRow } from '../database/tables.ts';
import { agentRows, toAgent } from './agent-store.ts';
import { fits, type JobNeeds } from './fits.ts';
import { troubledJobs } from './job-store.ts';
import { lanesById } from './lane-store.ts';
import { LIVE_AGENT_MS } from './waiting-reason.ts';

/** The agents that could take a job now or soon: alive, active, and able to. */
export function candidates(
  rows: readonly AgentRow[],
  needs: JobNeeds | undefined,
  now: number,
): string[] {
  return rows
    .filter((row) => row.state === 'active' && row.last_seen_at > now - LIVE_AGENT_MS)
    .filter((row) => needs !== undefined && fits(needs, toAgent(row, [])))
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
  const failures = new Map<string, { readonly lane: string; readonly agents: Set<string> }>();
  for (const { id, lane, agent } of await troubledJobs(queries)) {
    const failure = failures.get(id) ?? { lane: lane ?? '', agents: new Set() };
    failure.agents.add(agent);
    failures.set(id, failure);
  }
  const toLeave = new Map<string, string[]>();
  const rows = failures.size === 0 ? [] : await agentRows(queries);
  const lanes = await lanesById(queries, [
    ...new Set([...failures.values()].map(({ lane }) => lane)),
  ]);
  for (const [id, { lane, agents }] of failures) {
    const needs = lanes.get(lane)?.needs;
    const others = candidates(rows, needs, now);
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
