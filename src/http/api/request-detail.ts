import type { BuildRequest } from '../../builds/request.ts';
import type { RequestDetail } from '../../protocol/builds.ts';
import type { HttpContext } from '../context.ts';
import { jobViews } from './job-views.ts';
import { requireRequest } from './lookups.ts';
import { requestView } from './views.ts';

/** Among so many of the newest publications of its channel, that of a request is looked for. */
const RECENT_PUBLICATIONS = 200;

/** Everything there is to say about a request now. Throws `unknown-request`. */
export async function requestDetail(context: HttpContext, id: string): Promise<RequestDetail> {
  const request = await requireRequest(context, id);
  const [jobs, packages, publication] = await Promise.all([
    context.builds.jobsOf(id),
    context.builds.packagesOf(id),
    publicationOf(context, request),
  ]);
  const views = await jobViews(context, request, jobs);
  return {
    ...requestView(request),
    ...views,
    packages: packages.map(({ package: { id: packageId, cpv, buildId }, how }) => ({
      id: packageId,
      cpv,
      buildId,
      how,
    })),
    publication,
  };
}

async function publicationOf(
  context: HttpContext,
  request: BuildRequest,
): Promise<RequestDetail['publication']> {
  if (request.publish === null || request.state !== 'done') {
    return null;
  }
  const { profile, publish: channel } = request;
  const recent = await context.repository.publications(profile, channel, RECENT_PUBLICATIONS);
  const made = recent.find(({ requestId }) => requestId === request.id);
  return made === undefined ? null : { channel, serial: made.serial };
}
