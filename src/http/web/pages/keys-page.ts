import type { ResignState } from '../../../repository/resign/resign-task.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, type HtmlPart, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { packageHref } from '../links.ts';
import { shortKey, table } from '../parts.ts';
import { count, duration, timeAgo, utc } from '../units.ts';

type KeyRecord = ReturnType<HttpContext['keys']['list']>[number];

const TONES: Readonly<Record<KeyRecord['state'], string>> = {
  next: 'busy',
  current: 'good',
  previous: 'idle',
  revoked: 'bad',
};
const PURPOSES: Readonly<Record<KeyRecord['state'], string>> = {
  next: 'nodes can fetch it; it does not sign yet',
  current: 'signs packages',
  previous: 'signs no more; what it signed is good',
  revoked: 'nodes refuse what it signed',
};

/** The keys that packages are signed with, and how far signing again is. */
export function keysPage({ keys, resign, clock }: HttpContext): Page {
  const state = resign.state();
  const isRunning = state?.state === 'running';
  const main = html`<h1>Keys</h1>
<p class="lead">What packages are signed with. Nodes take new keys over with <code>rookery-node keys</code>; the
<a href="/keys/rookery.asc">public keys</a> are those that they have to know.</p>
<div data-live-region="keys" data-refresh="${isRunning ? '5' : '60'}">
${table({
  caption: 'Keys',
  columns: ['Key', 'State', 'Kept by', 'Ends', 'What for'],
  rows: keys.list().map(keyRow),
  empty: 'There is none.',
})}
${state !== undefined && resignSection(state, clock.now())}
</div>`;
  return { title: 'Keys', section: null, main, refreshSeconds: isRunning ? 10 : 300 };
}

function keyRow(key: KeyRecord): Html {
  const { fingerprint, state, source, expiresAt, takesOverAt } = key;
  return html`<tr>
<th scope="row"><code title="${fingerprint}">${shortKey(fingerprint)}</code></th>
<td><span class="pill ${TONES[state]}">${state}</span></td>
<td>${source === 'gpg' ? 'gpg' : 'Rookery'}</td>
<td>${expiresAt === null ? 'never' : utc(expiresAt)}</td>
<td>${PURPOSES[state]}${takesOverAt !== null && `; from ${utc(takesOverAt)} on it does`}</td>
</tr>`;
}

function resignSection(state: ResignState, now: number): Html {
  const { done, total, skipped, refused } = state;
  return html`<section aria-labelledby="resign"><h2 id="resign">Signing again</h2>
<p class="progress"><progress max="${Math.max(1, total)}" value="${total === 0 ? 1 : done}" aria-label="Packages that are signed again"></progress>
${done} of ${count(total, 'package')} with the key ${shortKey(state.fingerprint)}: ${progressOf(state, now)}</p>
${
  skipped.length + refused.length > 0 &&
  html`<p>These stay as they are. When they are in order, run <code>rookery key resign</code>.</p>
<ul>${skipped.map(({ id, reason }) => html`<li><a href="${packageHref(id)}">${id}</a>: ${reason}</li>`)}
${refused.map((refusal) => html`<li>${refusal}</li>`)}</ul>`
}
</section>`;
}

function progressOf(state: ResignState, now: number): HtmlPart {
  if (state.state === 'running') {
    return state.remainingMs === null ? 'under way' : `about ${duration(state.remainingMs)} left`;
  }
  if (state.error !== null) {
    return `${state.state}: ${state.error}`;
  }
  return html`ended ${timeAgo(state.finishedAt ?? now, now)}`;
}
