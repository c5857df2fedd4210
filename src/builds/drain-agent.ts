import { AppError } from '../support/errors.ts';
import { findAgentRow, lockAgent, setAgentState, toAgent } from './agent-store.ts';
import type { AgentRecord } from './builds.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { leasedJobsByAgent } from './job-store.ts';

/** The agent gets no new jobs until it is resumed; what it holds it finishes. Throws `unknown-agent`. */
export async function drainAgent(
  context: BuildsContext,
  name: string,
  drain: { readonly actor: string; readonly reason: string },
): Promise<AgentRecord> {
  return await changeState(context, { name, actor: drain.actor }, async (deed) => {
    await setAgentState(deed.queries, name, {
      state: 'drained',
      state_reason: `Drained by ${drain.actor}: ${drain.reason}`,
      state_since: deed.now,
      trial_at: null,
    });
    return { kind: 'agent-drained', data: { reason: drain.reason } };
  });
}

/** The agent gets jobs again, whatever it was that kept it from them. Throws `unknown-agent`. */
export async function resumeAgent(
  context: BuildsContext,
  name: string,
  actor: string,
): Promise<AgentRecord> {
  return await changeState(context, { name, actor }, async (deed) => {
    await setAgentState(deed.queries, name, {
      state: 'active',
      state_reason: null,
      state_since: deed.now,
      trial_at: null,
      trials: 0,
    });
    return { kind: 'agent-resumed', data: {} };
  });
}

async function changeState(
  context: BuildsContext,
  { name, actor }: { readonly name: string; readonly actor: string },
  work: (
    deed: Deed,
  ) => Promise<{ readonly kind: string; readonly data: Readonly<Record<string, unknown>> }>,
): Promise<AgentRecord> {
  return await transact(context, actor, async (deed) => {
    await lockAgent(deed.queries, name);
    if ((await findAgentRow(deed.queries, name)) === undefined) {
      throw new AppError('unknown-agent', `No agent has registered as ${name}.`, {
        details: { agent: name },
      });
    }
    const { kind, data } = await work(deed);
    await deed.tell({ actor, kind, subject: `agent:${name}`, data: { agent: name, ...data } });
    const row = await findAgentRow(deed.queries, name);
    if (row === undefined) {
      throw new Error(`the agent ${name} is gone`);
    }
    return toAgent(row, (await leasedJobsByAgent(deed.queries)).get(name) ?? []);
  });
}
