import {
  ansibleFilesSchema,
  heldListSchema,
  planningListSchema,
  type RolloutRequestBody,
  rolloutDetailSchema,
  rolloutListSchema,
  rolloutSummarySchema,
  whyListSchema,
} from '../protocol/rollouts.ts';
import type { Call, Calls } from './server-client.ts';

/** Calls about upgrades of the fleet. */
export function rolloutCalls(
  { get, post }: Pick<Calls, 'get' | 'post'>,
  act: (call: Call) => Promise<void>,
) {
  return {
    planRollout: async (body: RolloutRequestBody) =>
      await post('/api/rollouts', body, rolloutDetailSchema),
    plansUnderWay: async (signal: AbortSignal) =>
      (await get('/api/rollouts/planning', planningListSchema, {}, signal)).planning,
    rollouts: async (query: { readonly limit: number; readonly state?: string }) =>
      (await get('/api/rollouts', rolloutListSchema, query)).rollouts,
    rollout: async (id: string, signal?: AbortSignal) =>
      await get(path(id), rolloutDetailSchema, {}, signal),
    rolloutForAnsible: async (id: string) =>
      await get(path(id, 'export/ansible'), ansibleFilesSchema),
    whyRollout: async (id: string) => (await get(path(id, 'why'), whyListSchema)).reasons,
    approveRollout: async (id: string, of: string | undefined) =>
      await post(path(id, 'approve'), of === undefined ? {} : { of }, rolloutSummarySchema),
    startRollout: async (id: string) => await post(path(id, 'start'), {}, rolloutSummarySchema),
    resumeRollout: async (id: string) => await post(path(id, 'resume'), {}, rolloutSummarySchema),
    pauseRollout: async (id: string, reason: string) =>
      await post(path(id, 'pause'), { reason }, rolloutSummarySchema),
    abortRollout: async (id: string, reason: string) =>
      await post(path(id, 'abort'), { reason }, rolloutSummarySchema),
    rollBackRollout: async (id: string, reason: string) =>
      await post(path(id, 'rollback'), { reason }, rolloutDetailSchema),
    heldNodes: async () => (await get('/api/fleet/held', heldListSchema)).held,
    releaseNode: async (node: string, json: { readonly reason: string; readonly force: boolean }) =>
      await act({
        method: 'POST',
        path: `/api/fleet/nodes/${encodeURIComponent(node)}/release`,
        json,
      }),
  };
}

function path(id: string, verb?: string): string {
  const base = `/api/rollouts/${encodeURIComponent(id)}`;
  return verb === undefined ? base : `${base}/${verb}`;
}
