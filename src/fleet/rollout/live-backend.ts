import type { Site } from '../inventory/inventory.ts';
import type { Backend } from '../plan/plan.ts';
import { liveBackends, putLive, wishesOf } from './fleet-store.ts';
import type { Deed } from './rollout-context.ts';

const BACKENDS: readonly Backend[] = ['blue', 'green'];

/**
 * Writes down which backend of a site serves, after farms have moved. It is the other one when no farm is left in the one
 * that served: until then a site that is between two versions still counts as where it came from. A farm that no rollout
 * has moved is where its site is.
 */
export async function noteLive(deed: Deed, rollout: string, site: Site): Promise<void> {
  const live = (await liveBackends(deed.queries)).find((row) => row.site === site.name)?.backend;
  const wishes = new Map(
    (await wishesOf(deed.queries, site.name)).map((row) => [row.server, row.admin_state]),
  );
  const before = live ?? 'blue';
  const serves = (farm: string, backend: Backend): boolean => {
    const wish = wishes.get(`farm:${farm}:${backend}`);
    return wish === undefined ? backend === before : wish === 'ready';
  };
  const serving = BACKENDS.filter((backend) =>
    site.farms.some(({ name }) => serves(name, backend)),
  );
  const [only] = serving;
  if (serving.length === 1 && only !== undefined && only !== before) {
    await putLive(deed.queries, { site: site.name, backend: only, rollout, since: deed.now });
  }
}
