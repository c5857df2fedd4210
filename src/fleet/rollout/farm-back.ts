import type { Queries } from '../../database/database.ts';
import type { BalancerWishRow, HeldNodeRow } from '../../database/tables.ts';
import type { Farm } from '../inventory/inventory.ts';
import type { Action, Backend } from '../plan/plan.ts';
import { allWishes, heldNodes, liveBackends } from './fleet-store.ts';
import { findRollout, headOf, unitsOf } from './rollout-store.ts';

/** What a farm's own server is to be told. */
export type FarmBack = Pick<BalancerWishRow, 'server' | 'admin_state'>;

/**
 * How a farm comes in again that a rollout has taken out as a whole, once this node, the last of its members that was held, is
 * given free: in the backend of the release that it has. Null: it is in, or others are held, or nobody knows where it belongs.
 */
export async function farmBack(
  queries: Queries,
  held: HeldNodeRow,
  farm: Farm,
  release: string | null,
): Promise<FarmBack | null> {
  const others = new Set((await heldNodes(queries)).map(({ node }) => node));
  others.delete(held.node);
  if (farm.members.some(({ node }) => others.has(node)) || (await isIn(queries, farm))) {
    return null;
  }
  const row = await findRollout(queries, held.rollout);
  if (row === undefined || release === null) {
    return null;
  }
  const { unit } =
    (await unitsOf(queries, row.id)).find(
      (one) => one.row.started_at !== null && one.unit.nodes.includes(held.node),
    ) ?? {};
  const steps = unit?.steps ?? [];
  const isNext = release === headOf(row).artefacts.release?.release;
  return isNext
    ? lastChange(
        farm,
        steps.map(({ action }) => action),
      )
    : lastChange(
        farm,
        steps.flatMap(({ undo }) => undo),
      );
}

/** Visitors come to it, in one of its backends. */
async function isIn(queries: Queries, { name, site }: Farm): Promise<boolean> {
  const live = (await liveBackends(queries)).find((row) => row.site === site)?.backend ?? 'blue';
  const wishes = new Map((await allWishes(queries)).map((row) => [row.server, row.admin_state]));
  return (['blue', 'green'] as const).some((backend: Backend) => {
    const wish = wishes.get(`farm:${name}:${backend}`);
    return wish === undefined ? backend === live : wish !== 'maint';
  });
}

function lastChange({ name }: Farm, actions: readonly Action[]): FarmBack | null {
  const change = actions
    .flatMap((action) => (action.do === 'set-farms' ? action.changes : []))
    .findLast(({ farm, to }) => farm === name && to !== 'maint');
  return change === undefined
    ? null
    : { server: `farm:${name}:${change.backend}`, admin_state: change.to };
}
