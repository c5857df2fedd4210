import type { AgentRow } from '../database/tables.ts';
import { backoffDelay } from '../support/backoff.ts';
import { AppError } from '../support/errors.ts';
import { agentRows, findAgentRow, setAgentState, toAgent } from './agent-store.ts';
import { type AgentAttempt, failedElsewhere, lastAttemptsOn } from './attempt-store.ts';
import type { LeaseKey } from './builds.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import type { Fault } from './fault.ts';
import type { AttemptEnd } from './job.ts';
import { LIVE_AGENT_MS } from './waiting-reason.ts';

export interface BreakerSettings {
  /** Different packages that fail on an agent in a row before it is taken out. */
  readonly failures: number;
  /** How long after that it gets one job on trial; twice as long after each trial that fails. */
  readonly trialMs: number;
}

/** Attempts that are looked at, per failure that is counted. */
const LOOK_BACK = 10;
/** A package that failed on another agent within this time is not counted against this one. */
const MEANWHILE_MS = 24 * 3_600_000;
/** The longest wait for a trial, in waits for the first. */
export const LONGEST_TRIAL = 24;

/**
 * The packages that failed on an agent in a row, newest first, without those that fail elsewhere too. What the package
 * may be to blame for counts only where another agent could show that it is not (`isCompared`).
 */
export function failuresInARow(
  newestFirst: readonly AgentAttempt[],
  elsewhere: ReadonlySet<string>,
  isCompared: boolean,
): string[] {
  const end = newestFirst.findIndex(
    ({ outcome, fault }) => outcome === 'succeeded' && fault === null,
  );
  const row = end < 0 ? newestFirst : newestFirst.slice(0, end);
  const counted = row.filter(
    (attempt) =>
      attempt.outcome !== 'vanished' &&
      (attempt.fault === 'machine' || (attempt.fault === 'package' && isCompared)) &&
      !elsewhere.has(packageKey(attempt)),
  );
  return [...new Set(counted.map(({ name }) => name))];
}

function packageKey({
  profile,
  name,
}: {
  readonly profile: string;
  readonly name: string;
}): string {
  return `${profile} ${name}`;
}

/**
 * What the end of an attempt says about its agent: success ends a trial, and a failure may be the one too many.
 *
 * Journal: `agent-taken-out`, `agent-restored`, subject `agent:<name>`.
 */
export async function judgeAgent(
  deed: Deed,
  attempt: {
    readonly key: LeaseKey;
    readonly kind: 'plan' | 'package';
    readonly end: AttemptEnd;
    readonly fault: Fault | null;
  },
  settings: BreakerSettings,
): Promise<void> {
  const { end, fault } = attempt;
  const agent = await findAgentRow(deed.queries, attempt.key.agent);
  if (agent === undefined || attempt.kind === 'plan') {
    return;
  }
  if (end.kind === 'reported' && end.outcome === 'succeeded') {
    if (agent.state === 'taken-out') {
      await bringBack(deed, agent, 'Its trial succeeded.');
    }
    return;
  }
  if (fault === null) {
    return;
  }
  if (agent.state === 'taken-out') {
    await postponeTrial(deed, agent, settings);
  } else if (agent.state === 'active' && end.kind !== 'vanished') {
    await takeOutIfTooMany(deed, agent, settings);
  }
}

async function postponeTrial(
  deed: Deed,
  agent: AgentRow,
  settings: BreakerSettings,
): Promise<void> {
  if (agent.trial_at !== null && agent.trial_at > deed.now) {
    return;
  }
  const trials = agent.trials + 1;
  await setAgentState(deed.queries, agent.name, {
    trial_at: deed.now + trialDelay(settings, trials),
    trials,
  });
}

function trialDelay({ trialMs }: BreakerSettings, trials: number): number {
  const backoff = { initialMs: trialMs, maximumMs: LONGEST_TRIAL * trialMs };
  return backoffDelay(backoff, trials, () => 1);
}

async function takeOutIfTooMany(
  deed: Deed,
  agent: AgentRow,
  settings: BreakerSettings,
): Promise<void> {
  const { queries, now } = deed;
  const attempts = await lastAttemptsOn(queries, agent.name, {
    since: agent.state_since ?? 0,
    limit: settings.failures * LOOK_BACK,
  });
  const elsewhere = await failedElsewhere(queries, agent.name, {
    names: [...new Set(attempts.map(({ name }) => name))],
    since: now - MEANWHILE_MS,
  });
  const names = failuresInARow(
    attempts,
    new Set(elsewhere.map(packageKey)),
    await hasPeer(deed, agent),
  );
  if (names.length < settings.failures) {
    return;
  }
  const last = attempts.find(({ fault }) => fault !== null)?.reason ?? '';
  const reason = `${names.length} different packages failed on it in a row: ${names.join(', ')}. The last: ${last}`;
  await setAgentState(queries, agent.name, {
    state: 'taken-out',
    state_reason: reason,
    state_since: now,
    trial_at: now + settings.trialMs,
    trials: 0,
  });
  await deed.tell({
    actor: 'server',
    kind: 'agent-taken-out',
    subject: `agent:${agent.name}`,
    data: { reason, packages: names, trialAt: now + settings.trialMs },
  });
}

/** Whether another agent builds what this one does. */
async function hasPeer({ queries, now }: Deed, agent: AgentRow): Promise<boolean> {
  const own = toAgent(agent, []).executors;
  return (await agentRows(queries)).some(
    (row) =>
      row.name !== agent.name &&
      row.state === 'active' &&
      row.last_seen_at > now - LIVE_AGENT_MS &&
      toAgent(row, []).executors.some((executor) => own.includes(executor)),
  );
}

async function bringBack(deed: Deed, agent: AgentRow, why: string): Promise<void> {
  await setAgentState(deed.queries, agent.name, {
    state: 'active',
    state_reason: null,
    state_since: deed.now,
    trial_at: null,
    trials: 0,
  });
  await deed.tell({
    actor: deed.actor,
    kind: 'agent-restored',
    subject: `agent:${agent.name}`,
    data: { reason: why, after: agent.state_reason },
  });
}

/**
 * Gives an agent that was taken out jobs again.
 *
 * Throws `unknown-agent`, `agent-not-taken-out`.
 */
export async function restoreAgent(
  context: BuildsContext,
  name: string,
  actor: string,
): Promise<void> {
  await transact(context, actor, async (deed) => {
    const agent = await findAgentRow(deed.queries, name);
    if (agent === undefined) {
      throw new AppError('unknown-agent', `No agent has registered as ${name}.`, {
        details: { agent: name },
      });
    }
    if (agent.state !== 'taken-out') {
      throw new AppError(
        'agent-not-taken-out',
        `The agent ${name} cannot be restored: it is ${agent.state}, not taken out.`,
        { details: { agent: name, state: agent.state } },
      );
    }
    await bringBack(deed, agent, `Restored by ${actor}.`);
  });
}
