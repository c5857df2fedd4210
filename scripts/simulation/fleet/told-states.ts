import type { BalancerServer } from '../../../src/fleet/drivers/ports.ts';
import type { FarmMoment, MemberMoment } from '../../../src/fleet/plan/moment.ts';
import type { AdminState, Backend } from '../../../src/fleet/plan/plan.ts';
import { nameOfServer } from '../../../src/fleet/rollout/unit-actions.ts';

/** Of a farm, the least that any says. */
export const WEAKEST: readonly AdminState[] = ['ready', 'drain', 'maint'];
/** Of a member, what any balancer says. */
export const STRONGEST = WEAKEST.toReversed();
/** What a balancer was told that is not there was told nothing. */
export type AtBalancer = ReadonlyMap<string, AdminState>;

/** The first of this order that any balancer of the site was told of a server. */
export function adminOf(
  told: readonly AtBalancer[],
  balancers: number,
  server: BalancerServer,
  order: readonly AdminState[],
): AdminState {
  const name = nameOfServer(server);
  const said = told.map((at) => at.get(name) ?? atFirst(server));
  if (told.length < balancers) {
    said.push(atFirst(server));
  }
  return order.find((state) => said.includes(state)) ?? 'ready';
}

/** Releases of which a process may write to the cache of the farm. */
export function writersAt(members: readonly MemberMoment[]): readonly string[] {
  const releases = members.flatMap(({ release }) => (release === null ? [] : [release]));
  return [...new Set(releases)];
}

/** What changes of a farm have to be told of; who is about to be told to go out is noted before he is. */
export function visible(farm: FarmMoment | undefined): string {
  return JSON.stringify(farm, (key, value: unknown) =>
    key === 'cache' || key === 'outBy' ? undefined : value,
  );
}

function atFirst(server: BalancerServer): AdminState {
  return server.kind === 'farm' && (server.backend satisfies Backend) === 'green'
    ? 'maint'
    : 'ready';
}
