import type { BuildRequest } from '../../builds/request.ts';
import type { RequestDetail } from '../../protocol/builds.ts';
import type { HttpContext } from '../context.ts';
import { jobViews } from './job-views.ts';
import { requireRequest } from './lookups.ts';
import { requestView } from './views.ts';

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
    packages: packages.map(({ package: { id: packageId, cpv, buildId }, how, leftOut }) => ({
      id: packageId,
      cpv,
      buildId,
      how,
      leftOut,
    })),
    publication,
  };
}

async function publicationOf(
  context: HttpContext,
  request: BuildRequest,
): Promise<RequestDetail['publication']> {
  const { id: requestId, profile, publish: channel } = request;
  if (channel === null || (request.state !== 'done' && request.state !== 'partial')) {
    return null;
  }
  const made = await context.repository.publicationOfRequest({ profile, channel, requestId });
  return made === undefined ? null : { channel, serial: made.serial };
}
