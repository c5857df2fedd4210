import type { Queries } from '../database/database.ts';
import type { RequestRow } from '../database/tables.ts';
import { countJobs, firstFailedJob, toJob } from './job-store.ts';
import { type Conclusion, concludeRequest } from './request.ts';

/** What comes of a request as its jobs stand now. */
export async function conclusionOf(queries: Queries, request: RequestRow): Promise<Conclusion> {
  const { id } = request;
  const packageJobs = await countJobs(queries, id, 'package');
  const failed = await firstFailedJob(queries, id);
  return concludeRequest(
    {
      publish: request.publish_channel,
      partial: request.publish_partial === 1,
      cancelledBy: request.cancelled_by,
    },
    {
      counts: await countJobs(queries, id),
      built: packageJobs.succeeded ?? 0,
      total: Object.values(packageJobs).reduce((sum, count) => sum + count, 0),
      firstFailure: failed === undefined ? undefined : toJob(failed, []),
    },
  );
}
