import { sql } from 'kysely';
import type { Queries } from '../../database/database.ts';
import type {
  BalancerWishRow,
  HeldNodeRow,
  LiveBackendRow,
  RolloutApprovalRow,
  RolloutLockRow,
} from '../../database/tables.ts';
import type { AdminState } from '../plan/plan.ts';

/** Names of one statement. */
const AT_ONCE = 500;

/** What stands for a rollout in the wish that a node serves again which was given free: balancers are told until they show it. */
export const RELEASED = 'released';
/** The same of a farm, when they have shown it. */
const SETTLED = 'settled';

/** The first reason stays: what comes later is a consequence. */
export async function hold(queries: Queries, rows: readonly HeldNodeRow[]): Promise<void> {
  if (rows.length > 0) {
    await queries
      .insertInto('held_nodes')
      .values(rows)
      .onConflict((conflict) => conflict.column('node').doNothing())
      .execute();
  }
}

export async function heldNodes(queries: Queries): Promise<HeldNodeRow[]> {
  return await queries.selectFrom('held_nodes').selectAll().orderBy('node').execute();
}

export async function findHeld(queries: Queries, node: string): Promise<HeldNodeRow | undefined> {
  return await queries
    .selectFrom('held_nodes')
    .selectAll()
    .where('node', '=', node)
    .executeTakeFirst();
}

export async function unhold(queries: Queries, node: string): Promise<void> {
  await queries.deleteFrom('held_nodes').where('node', '=', node).execute();
}

/** Those of these names that somebody has. */
export async function locksAmong(
  queries: Queries,
  names: readonly string[],
): Promise<RolloutLockRow[]> {
  const found: RolloutLockRow[] = [];
  for (let start = 0; start < names.length; start += AT_ONCE) {
    const some = names.slice(start, start + AT_ONCE);
    found.push(
      ...(await queries
        .selectFrom('rollout_locks')
        .selectAll()
        .where('name', 'in', some)
        .orderBy('name')
        .execute()),
    );
  }
  return found;
}

export async function insertLocks(
  queries: Queries,
  rows: readonly RolloutLockRow[],
): Promise<void> {
  for (let start = 0; start < rows.length; start += AT_ONCE) {
    await queries
      .insertInto('rollout_locks')
      .values(rows.slice(start, start + AT_ONCE))
      .execute();
  }
}

export async function removeLocks(queries: Queries, rollout: string): Promise<void> {
  await queries.deleteFrom('rollout_locks').where('rollout', '=', rollout).execute();
}

export async function putWishes(queries: Queries, rows: readonly BalancerWishRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += AT_ONCE) {
    await queries
      .insertInto('balancer_wishes')
      .values(rows.slice(start, start + AT_ONCE))
      .onConflict((conflict) =>
        conflict.columns(['site', 'server']).doUpdateSet((eb) => ({
          admin_state: eb.ref('excluded.admin_state'),
          rollout: eb.ref('excluded.rollout'),
          since: eb.ref('excluded.since'),
        })),
      )
      .execute();
  }
}

export async function allWishes(queries: Queries): Promise<BalancerWishRow[]> {
  return await queries.selectFrom('balancer_wishes').selectAll().execute();
}

export async function wishesOf(queries: Queries, site: string): Promise<BalancerWishRow[]> {
  return await queries.selectFrom('balancer_wishes').selectAll().where('site', '=', site).execute();
}

/** The state that is wanted of a server. */
export function adminOfWish({ admin_state: state, server }: BalancerWishRow): AdminState {
  if (state === 'ready' || state === 'drain' || state === 'maint') {
    return state;
  }
  throw new Error(`${state} of ${server} is no state of a server`);
}

/** Of all sites, who is to be out. */
export async function wishesToBeOut(queries: Queries): Promise<BalancerWishRow[]> {
  return await queries
    .selectFrom('balancer_wishes')
    .selectAll()
    .where('admin_state', '<>', 'ready')
    .execute();
}

/**
 * What is still wanted of the balancers of a site. Of members, by rollouts in these states, for held nodes and for nodes that
 * were given free; of farms all: their configuration does not know better.
 */
export async function standingWishes(
  queries: Queries,
  site: string,
  states: readonly string[],
): Promise<BalancerWishRow[]> {
  return await standing(queries, states).selectAll().where('site', '=', site).execute();
}

/** The sites of which something is still wanted. */
export async function sitesWithWishes(
  queries: Queries,
  states: readonly string[],
): Promise<readonly string[]> {
  const rows = await standing(queries, states).select('site').distinct().orderBy('site').execute();
  return rows.map(({ site }) => site);
}

function standing(queries: Queries, states: readonly string[]) {
  return queries.selectFrom('balancer_wishes').where((eb) =>
    eb.or([
      // A parameter here would have SQLite prepare it anew each time.
      sql<boolean>`server like 'farm:%'`,
      eb('rollout', '=', RELEASED),
      eb('rollout', 'in', eb.selectFrom('rollouts').select('id').where('state', 'in', states)),
      eb(
        'server',
        'in',
        eb.selectFrom('held_nodes').select(sql<string>`'member:' || held_nodes.node`.as('server')),
      ),
    ]),
  );
}

/** Members that serve need no wish after their rollout: what comes then is nobody's wish but the administrators'. */
export async function forgetReadyMembers(queries: Queries, rollout: string): Promise<void> {
  await queries
    .deleteFrom('balancer_wishes')
    .where('rollout', '=', rollout)
    .where('admin_state', '=', 'ready')
    .where('server', 'like', 'member:%')
    .execute();
}

/**
 * Balancers show what was wanted of them: of members, what comes then is nobody's wish but the administrators'. Wishes of farms stay:
 * no configuration knows them.
 */
export async function settleReleased(
  queries: Queries,
  site: string,
  servers: readonly string[],
): Promise<void> {
  const members = servers.filter((server) => server.startsWith('member:'));
  const farms = servers.filter((server) => server.startsWith('farm:'));
  if (members.length > 0) {
    await queries
      .deleteFrom('balancer_wishes')
      .where('site', '=', site)
      .where('rollout', '=', RELEASED)
      .where('server', 'in', members)
      .execute();
  }
  if (farms.length > 0) {
    await queries
      .updateTable('balancer_wishes')
      .set({ rollout: SETTLED })
      .where('site', '=', site)
      .where('rollout', '=', RELEASED)
      .where('server', 'in', farms)
      .execute();
  }
}

export async function putLive(queries: Queries, row: LiveBackendRow): Promise<void> {
  const { site, ...change } = row;
  await queries
    .insertInto('live_backends')
    .values({ site, ...change })
    .onConflict((conflict) => conflict.column('site').doUpdateSet(change))
    .execute();
}

export async function liveBackends(queries: Queries): Promise<LiveBackendRow[]> {
  return await queries.selectFrom('live_backends').selectAll().orderBy('site').execute();
}

/** Whoever approves the same again changes nothing. */
export async function insertApproval(queries: Queries, row: RolloutApprovalRow): Promise<void> {
  await queries
    .insertInto('rollout_approvals')
    .values(row)
    .onConflict((conflict) => conflict.columns(['rollout', 'of_stage']).doNothing())
    .execute();
}

export async function approvalsOf(
  queries: Queries,
  rollout: string,
): Promise<RolloutApprovalRow[]> {
  return await queries
    .selectFrom('rollout_approvals')
    .selectAll()
    .where('rollout', '=', rollout)
    .orderBy('at')
    .execute();
}
