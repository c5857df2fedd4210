import type { RequestState } from '../../builds/request.ts';
import type { JobView } from '../../protocol/builds.ts';
import { type Html, type HtmlPart, html } from './html.ts';
import { jobHref, packageHref } from './links.ts';

type Tone = 'good' | 'bad' | 'busy' | 'idle' | 'warn';

const TONES: Readonly<Record<RequestState | JobView['state'], Tone>> = {
  planning: 'busy',
  building: 'busy',
  publishing: 'busy',
  leased: 'busy',
  done: 'good',
  partial: 'warn',
  succeeded: 'good',
  failed: 'bad',
  cancelled: 'idle',
  skipped: 'warn',
  waiting: 'idle',
  ready: 'idle',
};

export function toneOf(state: RequestState | JobView['state']): Tone {
  return TONES[state];
}

/** A word for a state in its colour; the word alone says it as well. */
export function stateBadge(state: RequestState | JobView['state']): Html {
  const word = state === 'leased' ? 'building' : state;
  return html`<span class="pill ${toneOf(state)}">${word}</span>`;
}

/** What a name holds, one below the other; rows without a value are left out. */
export function factList(facts: readonly (readonly [string, HtmlPart])[]): Html {
  const rows = facts
    .filter(([, value]) => value !== null && value !== undefined && value !== false && value !== '')
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`);
  return html`<dl class="facts">${rows}</dl>`;
}

/** A table with a name for those who cannot see it, scrolling on its own when it is too wide. */
export function table(options: {
  readonly caption: string;
  readonly columns: readonly (string | { readonly name: string; readonly kind: 'number' })[];
  readonly rows: readonly Html[];
  readonly empty: HtmlPart;
}): Html {
  if (options.rows.length === 0) {
    return html`<p class="empty">${options.empty}</p>`;
  }
  const heads = options.columns.map((column) =>
    typeof column === 'string'
      ? html`<th scope="col">${column}</th>`
      : html`<th scope="col" class="number">${column.name}</th>`,
  );
  return html`<div class="scroll" role="region" aria-label="${options.caption}" tabindex="0"><table>
<caption>${options.caption}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>${options.rows}</tbody>
</table></div>`;
}

/** Text to take along; the button shows itself where a script can copy. */
export function copyBox(id: string, text: string, label: string): Html {
  return html`<div class="copybox">
<pre id="${id}" tabindex="0" aria-label="${label}">${text}</pre>
<button type="button" data-copy="${id}" hidden>Copy</button>
</div>`;
}

/** Where this page lies. */
export function crumbs(steps: readonly (readonly [string, string])[], here: string): Html {
  return html`<nav class="crumbs" aria-label="Breadcrumb"><ol>
${steps.map(([name, href]) => html`<li><a href="${href}">${name}</a></li>`)}<li aria-current="page">${here}</li>
</ol></nav>`;
}

/** Who did something, without the word that says that it was a token. */
export function person(actor: string): string {
  return actor.replace(/^token:/, '');
}

/** Where a package came from. */
export function origin(text: string): HtmlPart {
  const [kind, ...rest] = text.split(':');
  const name = rest.join(':');
  if (kind === 'job') {
    return html`built by <a href="${jobHref(name)}">job ${name}</a>`;
  }
  if (kind === 'resign') {
    return html`signed again from <a href="${packageHref(name)}">${name}</a>`;
  }
  return kind === 'push' ? `pushed by ${name}` : text;
}

/** The last 16 digits of a fingerprint, the way gpg names a key. */
export function shortKey(fingerprint: string): string {
  return fingerprint.slice(-16);
}

export function signature(fingerprint: string): Html {
  return fingerprint === ''
    ? html`<span class="pill bad">unsigned</span>`
    : html`<span class="pill good" title="Signed by ${fingerprint}">signed</span>`;
}
