import type { BuildRequest } from '../../builds/request.ts';
import { type PlanProblem, problemSentence, remedyOf } from '../../gentoo/plan-problem.ts';
import type { PlanProblemView, RequestDetail } from '../../protocol/builds.ts';
import type { HttpContext } from '../context.ts';
import { jobViews } from './job-views.ts';
import { requireRequest } from './lookups.ts';
import { requestView } from './views.ts';

/** Everything there is to say about a request now. Throws `unknown-request`. */
export async function requestDetail(context: HttpContext, id: string): Promise<RequestDetail> {
  const request = await requireRequest(context, id);
  const [jobs, packages, publication, problems] = await Promise.all([
    context.builds.jobsOf(id),
    context.builds.packagesOf(id),
    publicationOf(context, request),
    request.state === 'failed' ? context.builds.problemsOf(id) : [],
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
    problems: problems.map(problemView),
    publication,
  };
}

function problemView(problem: PlanProblem): PlanProblemView {
  const { kind, lines, advice } = remedyOf(problem);
  return {
    code: typeof problem === 'string' ? 'said' : problem.code,
    sentence: problemSentence(problem),
    lines: [...lines],
    enough: kind,
    advice,
    data: problem,
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
