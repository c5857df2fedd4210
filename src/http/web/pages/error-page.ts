import {
  type FailedExchange,
  logUnexpected,
  prepareRefusal,
  problemOf,
} from '../../error-response.ts';
import { requestIdOf } from '../../request-id.ts';
import type { Assets } from '../assets.ts';
import { html } from '../html.ts';
import { type Page, renderPage } from '../layout.ts';

/** The same refusal as problem+json, for people. */
export function respondWithErrorPage(
  exchange: FailedExchange,
  assets: Assets,
  error: unknown,
): void {
  const { request, response, log } = exchange;
  const problem = problemOf(error, requestIdOf(response));
  logUnexpected(log, problem, error);
  prepareRefusal(exchange, problem, error);
  const body = renderPage(errorPage(problem), assets);
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(request.method === 'HEAD' ? undefined : body);
}

function errorPage(problem: {
  readonly status: number;
  readonly title: string;
  readonly code: string;
  readonly requestId: string;
}): Page {
  const isMissing = problem.status === 404;
  const heading = isMissing ? 'Nothing is nesting here' : 'That did not work';
  const main = html`<div class="lost">
<p class="status">${problem.status}</p>
<h1>${heading}</h1>
<p class="lead">${problem.title}</p>
<p>${isMissing ? 'It may have been removed, or the address has a typing error. ' : ''}<a href="/">All profiles</a> or <a href="/requests">all builds</a> may lead on.</p>
<p class="muted"><code>${problem.code}</code>, request <code>${problem.requestId}</code></p>
</div>`;
  return { title: heading, section: null, main };
}
