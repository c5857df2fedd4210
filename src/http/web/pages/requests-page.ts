import type { HttpContext } from '../../context.ts';
import { html } from '../html.ts';
import type { Page } from '../layout.ts';
import { copyBox } from '../parts.ts';
import { requestTable } from './request-table.ts';

const SHOWN = 100;

/** What was asked to be built, newest first. */
export async function requestsPage(context: HttpContext): Promise<Page> {
  const requests = await context.builds.listRequests({ limit: SHOWN });
  const main = html`<h1>Builds</h1>
<p class="lead">What was asked for, newest first.</p>
<div data-live-region="requests" data-refresh="10">
${requestTable('Builds', requests, context.clock.now())}
</div>
<section aria-labelledby="ask"><h2 id="ask">Ask for a build</h2>
${copyBox('ask-command', 'rookery build request PROFILE CATEGORY/PACKAGE --publish testing --wait', 'Command that asks for a build')}
</section>`;
  return { title: 'Builds', section: 'requests', main, refreshSeconds: 20 };
}
