import type { RolloutRow } from '../../database/tables.ts';
import { AppError } from '../../support/errors.ts';
import { startApprovals } from '../plan/approvals.ts';
import type { RolloutPlan } from '../plan/plan.ts';
import { changedNodes } from './changed-nodes.ts';
import { approvalsOf, insertApproval, insertLocks, locksAmong } from './fleet-store.ts';
import { pauseRollout } from './ledger.ts';
import type { RolloutState } from './rollout.ts';
import type { Deed, EngineContext } from './rollout-context.ts';
import { changeRollout, findRollout, rolloutsLike, unitStatesOf } from './rollout-store.ts';
import { effectOf } from './unit-actions.ts';

type Context = Pick<EngineContext, 'transact' | 'database' | 'inventory'>;

/** The one rollout whose id begins with this. Throws `rollout-unknown`. */
export async function rolloutLike(
  { database }: Pick<EngineContext, 'database'>,
  prefix: string,
): Promise<RolloutRow> {
  if (/^[0-9a-f]{1,3}$/.test(prefix)) {
    const text = `"${prefix}" is too short for a rollout: give at least the first 4 characters of its id.`;
    throw new AppError('rollout-unknown', text, { details: { id: prefix } });
  }
  const found = /^[0-9a-f]{4,64}$/.test(prefix) ? await rolloutsLike(database, prefix) : [];
  const [row] = found;
  if (row === undefined || found.length > 1) {
    const text =
      row === undefined
        ? `There is no rollout ${prefix}.`
        : `More than one rollout begins with ${prefix}.`;
    throw new AppError('rollout-unknown', text, { details: { id: prefix } });
  }
  return row;
}

/**
 * Lets the rollout start (`start`, `second`), or one of its stages begin. Throws `rollout-state`, `stage-unknown`,
 * `approval-same-person`.
 */
export async function approve(
  context: Context,
  plan: RolloutPlan,
  of: string,
  actor: string,
): Promise<void> {
  if (of !== 'start' && of !== 'second' && !plan.stages.some(({ id }) => id === of)) {
    throw new AppError('stage-unknown', `The rollout has no stage ${of}.`, { details: { of } });
  }
  await steer(context, plan.id, ['draft', 'running', 'paused'], async (deed) => {
    const other = of === 'second' ? 'start' : of === 'start' ? 'second' : null;
    const given = await approvalsOf(deed.queries, plan.id);
    if (given.some((one) => one.of_stage === other && one.author === actor)) {
      throw new AppError(
        'approval-same-person',
        `${actor} has approved the start already; the second approval is another person's.`,
        { details: { of, actor } },
      );
    }
    const row = { rollout: plan.id, of_stage: of, author: actor, at: deed.now };
    await insertApproval(deed.queries, row);
    await tell(deed, plan.id, { kind: 'rollout-approved', actor }, { of });
  });
}

/** Throws `rollout-not-approved`, `rollout-state`, `rollout-stale`, `rollout-locked`. */
export async function start(context: Context, plan: RolloutPlan, actor: string): Promise<void> {
  const { digest } = await context.inventory();
  if (digest !== plan.inventory) {
    throw new AppError(
      'rollout-stale',
      'The inventory has changed since this was planned. Plan it again.',
      { details: { planned: plan.inventory, now: digest } },
    );
  }
  await steer(context, plan.id, ['draft'], async (deed) => {
    await requireApproval(deed, plan);
    await requireEnded(deed, plan);
    await takeLocks(deed, plan, actor);
    await requireUnchanged(deed, plan);
    const change = { state: 'running', started_at: deed.now, started_by: actor, because: null };
    await changeRollout(deed.queries, plan.id, change);
    await tell(deed, plan.id, { kind: 'rollout-started', actor }, { kind: plan.kind });
  });
}

async function requireApproval({ queries }: Deed, plan: RolloutPlan): Promise<void> {
  const given = await approvalsOf(queries, plan.id);
  const missing = startApprovals(plan.policy).find(
    (of) => !given.some((one) => one.of_stage === of),
  );
  if (missing !== undefined) {
    throw new AppError(
      'rollout-not-approved',
      missing === 'start'
        ? `Somebody has to approve the start of ${plan.id.slice(0, 12)} first.`
        : `A second person has to approve the start of ${plan.id.slice(0, 12)} first.`,
      { details: { id: plan.id, missing } },
    );
  }
}

/** A way back begins when what it takes back has ended. */
async function requireEnded({ queries }: Deed, { reverses }: RolloutPlan): Promise<void> {
  const row = reverses === null ? undefined : await findRollout(queries, reverses);
  if (row !== undefined && ['running', 'paused', 'aborting'].includes(row.state)) {
    throw new AppError(
      'rollout-state',
      `The rollout ${row.id.slice(0, 12)}, which this takes back, is ${row.state}. Abort it first.`,
      { details: { id: row.id, state: row.state } },
    );
  }
}

/** Another rollout may have brought something newer since, which this one would take away. */
async function requireUnchanged({ queries }: Deed, plan: RolloutPlan): Promise<void> {
  const made = (await findRollout(queries, plan.id))?.created_at ?? 0;
  const changed = await changedNodes(queries, made);
  const nodes = plan.stages.flatMap(({ units }) => units.flatMap((unit) => unit.nodes));
  const node = nodes.find((name) => changed.has(name));
  const rollout = node === undefined ? undefined : changed.get(node)?.rollout;
  if (node !== undefined && rollout !== undefined) {
    throw new AppError(
      'rollout-stale',
      `The rollout ${rollout.slice(0, 12)} has changed ${node} since this was planned. Abort this draft, and plan it again.`,
      { details: { node, rollout } },
    );
  }
}

/** A member is in one rollout, a site in one that visitors might notice. */
async function takeLocks(deed: Deed, plan: RolloutPlan, actor: string): Promise<void> {
  const units = plan.stages.flatMap((stage) => stage.units);
  const nodes = units.flatMap((unit) => unit.nodes.map((node) => `node:${node}`));
  const sites = units.flatMap((unit) => {
    const { takesFarmOut, takesMembersOut } = effectOf(unit);
    return takesFarmOut || takesMembersOut ? [`site:${unit.site}`] : [];
  });
  const names = [...new Set([...nodes, ...sites])];
  const [taken] = await locksAmong(deed.queries, names);
  if (taken !== undefined) {
    const holder = (await unitStatesOf(deed.queries, taken.rollout)).find(
      ({ state }) => state === 'running' || state === 'undoing',
    );
    const at = holder === undefined ? '' : `, which is at ${holder.unit}, ${holder.step ?? ''}`;
    const minutes = Math.round((deed.now - taken.since) / 60_000);
    throw new AppError(
      'rollout-locked',
      `${taken.name} is in the rollout ${taken.rollout.slice(0, 12)} that ${taken.owner} started ${minutes} minutes ago${at}.`,
      {
        details: {
          lock: taken.name,
          rollout: taken.rollout,
          owner: taken.owner,
          since: taken.since,
          unit: holder?.unit ?? null,
          step: holder?.step ?? null,
        },
      },
    );
  }
  await insertLocks(
    deed.queries,
    names.map((name) => ({ name, rollout: plan.id, owner: actor, since: deed.now })),
  );
}

/** What is under way is finished, and nothing begun. Throws `rollout-state`. */
export async function pause(
  context: Context,
  id: string,
  reason: string,
  actor: string,
): Promise<void> {
  await steer(context, id, ['running'], async (deed) => {
    await pauseRollout(deed, id, reason, actor);
  });
}

/** Goes on; units that failed until now are no part of the budget any more. Throws `rollout-state`. */
export async function resume(context: Context, id: string, actor: string): Promise<void> {
  await steer(context, id, ['paused'], async (deed) => {
    const change = { state: 'running', because: null, resumed_at: deed.now, waits_json: '[]' };
    await changeRollout(deed.queries, id, change);
    await tell(deed, id, { kind: 'rollout-resumed', actor }, {});
  });
}

/** What is under way is taken back or finished, and nothing begun. A draft is thrown away. Throws `rollout-state`. */
export async function abort(
  context: Context,
  id: string,
  reason: string,
  actor: string,
): Promise<void> {
  await steer(context, id, ['draft', 'running', 'paused'], async (deed, state) => {
    const next = state === 'draft' ? 'discarded' : 'aborting';
    await changeRollout(deed.queries, id, { state: next, because: reason, waits_json: '[]' });
    await tell(deed, id, { kind: `rollout-${next}`, actor }, { because: reason });
  });
}

async function steer(
  { transact }: Context,
  id: string,
  from: readonly RolloutState[],
  work: (deed: Deed, state: RolloutState) => Promise<void>,
): Promise<void> {
  await transact(async (deed) => {
    const row = await findRollout(deed.queries, id);
    const state = from.find((one) => one === row?.state);
    if (state === undefined) {
      throw new AppError(
        'rollout-state',
        `The rollout ${id.slice(0, 12)} is ${row?.state ?? 'unknown'}; this is for one that is ${from.join(' or ')}.`,
        { details: { id, state: row?.state ?? null } },
      );
    }
    await work(deed, state);
  });
}

async function tell(
  deed: Deed,
  rollout: string,
  { kind, actor }: { readonly kind: string; readonly actor: string },
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  await deed.tell({ kind, subject: `rollout:${rollout}`, actor, data: { rollout, ...data } });
}
