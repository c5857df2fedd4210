import { type ImpactBody, impactListSchema } from '../protocol/impact.ts';
import type { Calls } from './server-client.ts';

/** Calls about upgrades that have not been made. */
export function impactCalls({ post }: Pick<Calls, 'post'>) {
  return {
    impact: async (body: ImpactBody) => await post('/api/fleet/impact', body, impactListSchema),
  };
}
