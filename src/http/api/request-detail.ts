import type { BuildRequest } from '../../builds/request.ts';
import { type PlanProblem, problemSentence, remedyOf } from '../../gentoo/plan-problem.ts';
import type { PlanProblemView, RequestDetail } from '../../protocol/builds.ts';
import type { HttpContext } from '../context.ts';
import { jobViews } from './job-views.ts';
import { unknownRequest } from './lookups.ts';
import { requestView } from './views.ts';

/** Everything there is to say about a request, as it was at one moment. Throws `unknown-request`. */
export async function requestDetail(context: HttpContext, id: string): Promise<RequestDetail> {
  const look = await context.builds.lookAt(id);
  if (look === undefined) {
    throw unknownRequest(id);
  }
  const { request, jobs, packages, problems } = look;
  return {
    ...requestView(request),
    ...jobViews(jobs, look),
    packages: packages.map((one) => ({ ...one })),
    problems: problems.map(problemView),
    publication: await publicationOf(context, request),
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
