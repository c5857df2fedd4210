import { newId } from '../support/ids.ts';
import type { Deed } from './builds-context.ts';
import type { PlanSpec } from './job.ts';
import { insertJobs, jobRowsOf } from './job-store.ts';
import { newJobRow } from './new-job-row.ts';
import { type PlacedRequest, placePlan } from './place-jobs.ts';
import { tellJobReady } from './tell-jobs.ts';

/** Has Portage asked for a plan by an agent. */
export async function insertPlanJob(
  deed: Deed,
  request: PlacedRequest & { readonly id: string },
  spec: Omit<PlanSpec, 'kind'>,
  because: string | null = null,
): Promise<void> {
  const id = newId('job');
  await insertJobs(
    deed.queries,
    [
      newJobRow({
        ...(await placePlan(deed.queries, request)),
        id,
        request_id: request.id,
        kind: 'plan',
        position: await nextPosition(deed, request.id),
        name: 'plan',
        executor: 'portage',
        spec_json: JSON.stringify({ kind: 'plan', ...spec } satisfies PlanSpec),
        state: 'ready',
        because,
        created_at: deed.now,
      }),
    ],
    [],
  );
  const rows = await jobRowsOf(deed.queries, request.id);
  await tellJobReady(
    deed,
    rows.filter((job) => job.id === id),
  );
}

/** After all that the request has. */
export async function nextPosition(deed: Deed, requestId: string): Promise<number> {
  const rows = await jobRowsOf(deed.queries, requestId);
  return (rows.at(-1)?.position ?? -1) + 1;
}
