import { FINAL_REQUEST_STATES } from '../../../builds/request.ts';
import { requestDetail } from '../../api/request-detail.ts';
import type { HttpContext } from '../../context.ts';
import { gantt } from '../gantt.ts';
import { html } from '../html.ts';
import type { Page } from '../layout.ts';
import { requestHref } from '../links.ts';
import { crumbs } from '../parts.ts';
import { atomsText } from './request-table.ts';

const REFRESH_SECONDS = 10;

/** The picture of a request by agent, for requests with too many jobs for their own page. */
export async function timelinePage(context: HttpContext, id: string): Promise<Page> {
  const request = await requestDetail(context, id);
  const timeline = await context.records.timeline(id);
  const title = atomsText(request.atoms);
  const picture = timeline && gantt(timeline, request.jobs, context.clock.now());
  const isOver = FINAL_REQUEST_STATES.includes(request.state);
  const content = html`<h1>Timeline of ${title}</h1>
${picture || html`<p class="empty">No agent has begun yet.</p>`}`;
  const main = html`${crumbs(
    [
      ['Builds', '/requests'],
      [title, requestHref(id)],
    ],
    'Timeline',
  )}
${
  isOver
    ? html`<div>${content}</div>`
    : html`<div data-live-region="timeline" data-refresh="${REFRESH_SECONDS}">${content}</div>`
}`;
  return {
    title: `Timeline of ${title}`,
    section: 'requests',
    main,
    ...(isOver ? {} : { refreshSeconds: REFRESH_SECONDS }),
  };
}
