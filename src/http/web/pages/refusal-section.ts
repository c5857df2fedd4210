import type { Refusal } from '../../../repository/refusal.ts';
import { type Html, html } from '../html.ts';
import { eventHref } from '../links.ts';
import { copyBox, person, table } from '../parts.ts';
import { timeAgo } from '../units.ts';

const ACTS: Readonly<Record<Refusal['act'], string>> = {
  publish: 'publish',
  promote: 'promote',
  rollback: 'roll back',
};

/** What was refused last on a channel, why, and what would mend it. */
export function refusalSection(
  refusal: Refusal,
  {
    profile,
    channel,
    first,
    now,
  }: {
    readonly profile: string;
    readonly channel: string;
    /** The channel on which what is built anew is published. */
    readonly first: string;
    readonly now: number;
  },
): Html {
  const { seq, at, actor, act, reason, message, findings, findingCount, rebuild, missing } =
    refusal;
  const rows = findings.map(
    ({ id, message: what, remedy }) =>
      html`<tr><td>${what}<span class="sub">${id}</span></td><td>${remedy}</td></tr>`,
  );
  const more = findingCount - findings.length;
  const inJournal = html`<a href="${eventHref(seq, `channel:${profile}/${channel}`)}">event ${seq}</a>`;
  return html`<section class="notice" aria-labelledby="refused"><h2 id="refused">Refused</h2>
<p>${person(actor)} wanted to ${ACTS[act]}, ${timeAgo(at, now)}${reason !== '' && html` (${reason})`}. Nothing was changed. It is ${inJournal} of the journal.</p>
${findings.length === 0 && missing.length === 0 && html`<p>${message}</p>`}
${missing.map((sentence) => html`<p>${sentence}</p>`)}
${
  findings.length > 0 &&
  table({
    caption: 'What speaks against it',
    columns: ['Finding', 'What would mend it'],
    rows,
    empty: '',
  })
}
${more > 0 && html`<p>And ${more} more, in the answer that was given.</p>`}
${rebuild.length > 0 && rebuildAdvice(rebuild, { profile, channel, first })}
</section>`;
}

function rebuildAdvice(
  rebuild: readonly string[],
  {
    profile,
    channel,
    first,
  }: { readonly profile: string; readonly channel: string; readonly first: string },
): Html {
  const command = `rookery build request ${profile} --rebuild-for ${channel} --publish ${first} --wait`;
  return html`<p>To be rebuilt: <code>${rebuild.join(' ')}</code></p>
${copyBox('rebuild-command', command, 'Command that rebuilds what has to be')}`;
}
