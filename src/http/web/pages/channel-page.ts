import type { PublicationRecord } from '../../../repository/publication.ts';
import type { Pin } from '../../../repository/retention/retention-store.ts';
import { requireChannel } from '../../api/lookups.ts';
import type { HttpContext } from '../../context.ts';
import { publicUrlMissing } from '../../public-url.ts';
import { setupScript } from '../../setup-script.ts';
import { channelDamage } from '../damage-notice.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, differenceHref, profileHref, publicationHref } from '../links.ts';
import { copyBox, crumbs, factList, person, shortKey, table } from '../parts.ts';
import { timeAgo, utc } from '../units.ts';
import { gateSection } from './gate-section.ts';
import { type ListQuery, PAGE_SIZE, packageSection } from './package-table.ts';
import { proofSection } from './proof-section.ts';
import { refusalSection } from './refusal-section.ts';

const SHOWN_PUBLICATIONS = 20;

interface Feed {
  readonly profile: string;
  readonly channel: string;
}

/** What one channel shows: its packages, what it showed before, and how a node becomes its client. */
export async function channelPage(
  context: HttpContext,
  feed: Feed,
  { query, publicUrl }: { readonly query: ListQuery; readonly publicUrl: string | undefined },
): Promise<Page> {
  const { profile, channel } = feed;
  const { channels } = requireChannel(context, profile, channel);
  const [current, publications, pins, found, damage, proof, refusal] = await Promise.all([
    context.repository.currentPublication(profile, channel),
    context.repository.publications(profile, channel, SHOWN_PUBLICATIONS),
    context.repository.retention.pins(profile),
    context.repository.searchPackages({
      profile,
      channel,
      limit: PAGE_SIZE,
      offset: query.offset,
      ...(query.search === '' ? {} : { search: query.search }),
    }),
    channelDamage(context, feed),
    context.proofs.proof(profile, channel),
    context.repository.lastRefusal(feed),
  ]);
  const allowed = current === undefined ? [] : await context.repository.allowances(current);
  const now = context.clock.now();
  const href = channelHref(profile, channel);
  const main = html`${crumbs(
    [
      ['Profiles', '/'],
      [profile, profileHref(profile)],
    ],
    channel,
  )}
<h1>${profile} <span class="muted">${channel}</span></h1>
${channelTabs(profile, channels, channel)}
${damage}
${refusal !== undefined && refusalSection(refusal, { ...feed, first: channels[0] ?? channel, now })}
${facts(context, feed, { current, now, publicUrl })}
${clientSection(context, feed, publicUrl)}
${packageSection(found, { query, href, now })}
${proof.from !== null && proofSection(proof, now)}
${gateSection(allowed, now)}
${publicationsSection(publications, { current, now, pins })}
${commandsSection(feed, channels)}`;
  return { title: `${profile} ${channel}`, section: 'overview', main };
}

function channelTabs(profile: string, channels: readonly string[], here: string): Html {
  const links = channels.map((name) =>
    name === here
      ? html`<a href="${channelHref(profile, name)}" aria-current="page">${name}</a>`
      : html`<a href="${channelHref(profile, name)}">${name}</a>`,
  );
  return html`<nav class="tabs" aria-label="Channels">${links}</nav>`;
}

function facts(
  context: HttpContext,
  { profile, channel }: Feed,
  {
    current,
    now,
    publicUrl = '',
  }: {
    readonly current: PublicationRecord | undefined;
    readonly now: number;
    readonly publicUrl: string | undefined;
  },
): Html {
  const uri = `${publicUrl}/binhost/${profile}/${channel}`;
  return factList([
    ['Shows', current === undefined ? 'nothing yet' : `publication #${current.serial}`],
    ['Published', current !== undefined && timeAgo(current.createdAt, now)],
    ['Index of', current !== undefined && utc(current.timestampSeconds * 1000)],
    ['Binhost', html`<code>${uri}</code>`],
    [
      'Signing key',
      html`<a href="/keys/rookery.asc" title="${context.fingerprint}"><code>${shortKey(context.fingerprint)}</code></a>`,
    ],
  ]);
}

/** The command that makes a node a client of a channel. */
export function clientCommand({ profile, channel }: Feed, publicUrl: string): string {
  const url = `${publicUrl}/setup/${profile}/${channel}.sh`;
  return `wget -O rookery-setup.sh ${url} && sh rookery-setup.sh`;
}

function clientSection(context: HttpContext, feed: Feed, publicUrl: string | undefined): Html {
  if (publicUrl === undefined) {
    return html`<section aria-labelledby="client"><h2 id="client">Set up a node</h2>
<p class="empty">${publicUrlMissing().message}</p></section>`;
  }
  return html`<section aria-labelledby="client"><h2 id="client">Set up a node</h2>
<p>As root on the node. Signatures are checked from then on; running it twice changes nothing, and
<code>sh rookery-setup.sh --uninstall</code> takes it back.</p>
${copyBox('client-command', clientCommand(feed, publicUrl), 'Command that sets up a node')}
<details><summary>Read the script first</summary>${copyBox('client-script', setupScript(context, feed, publicUrl), 'Client script')}</details>
</section>`;
}

function publicationsSection(
  publications: readonly PublicationRecord[],
  {
    current,
    now,
    pins,
  }: {
    readonly current: PublicationRecord | undefined;
    readonly now: number;
    readonly pins: readonly Pin[];
  },
): Html {
  const row = (made: PublicationRecord): Html => html`<tr>
<th scope="row" class="number">#${made.serial}</th>
<td>${made.kind}${made.serial === current?.serial && html` <span class="pill good">current</span>`}${forcedPill(made)}${pinnedPill(made, pins)}</td>
<td>${timeAgo(made.createdAt, now)}</td>
<td>${person(made.author)}</td>
<td class="number">${made.packageCount}</td>
<td>${made.reason}</td>
<td>${
    made.serial > 1 &&
    html`<a href="${differenceHref(made.profile, `${made.channel}@${made.serial - 1}`, `${made.channel}@${made.serial}`)}">changes</a>`
  }</td>
<td><a href="${publicationHref(made)}/Packages">index</a></td>
</tr>`;
  return html`<section aria-labelledby="publications"><h2 id="publications">Publications</h2>
${table({
  caption: 'Publications',
  columns: [
    { name: 'Serial', kind: 'number' },
    'Kind',
    'When',
    'By',
    { name: 'Packages', kind: 'number' },
    'Why',
    'Since the one before',
    'Binhost',
  ],
  rows: publications.map(row),
  empty: 'Nothing was published here yet.',
})}
</section>`;
}

/** A promotion without its proof is marked for good. */
function forcedPill({ forced }: PublicationRecord): Html | null {
  return forced && html` <span class="pill warn" title="${forced.missing.join(' ')}">forced</span>`;
}

function pinnedPill(
  { channel, serial }: PublicationRecord,
  pins: readonly Pin[],
): Html | undefined {
  const pin = pins.find((one) => one.channel === channel && one.serial === serial);
  return pin && html` <span class="pill" title="${pin.author}: ${pin.reason}">pinned</span>`;
}

function commandsSection({ profile, channel }: Feed, channels: readonly string[]): Html {
  const next = channels[channels.indexOf(channel) + 1];
  return html`<section aria-labelledby="commands"><h2 id="commands">Change it</h2>
${
  next !== undefined &&
  html`<p>Give this to <a href="${channelHref(profile, next)}">${next}</a>, as it is now
(<a href="${differenceHref(profile, next, channel)}">what that would change</a>):</p>
${copyBox('promote-command', `rookery channel promote ${profile} ${next} --from ${channel}`, 'Command that promotes')}`
}
<p>Go back to what was shown before:</p>
${copyBox('rollback-command', `rookery channel rollback ${profile} ${channel}`, 'Command that rolls back')}
</section>`;
}
