import type { BlockedBuild } from '../../../builds/builds.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { jobHref, profileHref } from '../links.ts';
import { copyBox } from '../parts.ts';
import { requestTable } from './request-table.ts';

const SHOWN = 100;

/** What was asked to be built, newest first. */
export async function requestsPage(context: HttpContext): Promise<Page> {
  const requests = await context.builds.listRequests({ limit: SHOWN });
  const blocked = await context.builds.listBlocked();
  const main = html`<h1>Builds</h1>
<p class="lead">What was asked for, newest first. <a href="/schedules">Schedules</a> ask by themselves.</p>
<div data-live-region="requests" data-refresh="10">
${requestTable('Builds', requests, context.clock.now())}
${blockedSection(blocked)}
</div>
<section aria-labelledby="ask"><h2 id="ask">Ask for a build</h2>
${copyBox('ask-command', 'rookery build request PROFILE CATEGORY/PACKAGE --publish testing --wait', 'Command that asks for a build')}
</section>`;
  return { title: 'Builds', section: 'requests', main, refreshSeconds: 20 };
}

/** What is not tried again; nothing when nothing is blocked. */
function blockedSection(blocked: readonly BlockedBuild[]): Html | false {
  return (
    blocked.length > 0 &&
    html`<section class="notice" aria-labelledby="blocked"><h2 id="blocked">Blocked packages</h2>
<p>These failed for good. They are tried again when their inputs change, or after <code>rookery build unblock PROFILE PACKAGE</code>.</p>
<ul>${blocked.slice(0, SHOWN).map(blockedItem)}</ul></section>`
  );
}

function blockedItem({ profile, cpv, jobId, reason }: BlockedBuild): Html {
  return html`<li><a href="${jobHref(jobId)}">${cpv}</a> for <a href="${profileHref(profile)}">${profile}</a>: ${reason}</li>`;
}
