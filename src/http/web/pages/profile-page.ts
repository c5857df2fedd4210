import { formatMakeConf } from '../../../gentoo/make-conf.ts';
import type { HardwareProfile } from '../../../gentoo/profile.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, phpHref, profileHref } from '../links.ts';
import { copyBox, crumbs, factList, person, table } from '../parts.ts';
import { timeAgo } from '../units.ts';
import { instructionSet } from './home-page.ts';
import { type ListQuery, PAGE_SIZE, packageSection } from './package-table.ts';

/** One hardware profile: its channels, how it compiles, and every package that was built for it. */
export async function profilePage(
  context: HttpContext,
  name: string,
  query: ListQuery,
): Promise<Page> {
  const profile = context.profiles.get(name);
  const found = await context.repository.searchPackages({
    profile: name,
    limit: PAGE_SIZE,
    offset: query.offset,
    ...(query.search === '' ? {} : { search: query.search }),
  });
  const now = context.clock.now();
  const main = html`${crumbs([['Profiles', '/']], name)}
<h1>${name}</h1>
<p class="lead">${profile.description}</p>
${await pauseNotice(context, name, now)}
<p class="chips">${instructionSet(profile).map((word) => html`<span class="chip">${word}</span>`)}</p>
${brokenNotice(context, name)}
${await channelsSection(context, profile, now)}
<p><a href="${phpHref(name)}">PHP trees</a></p>
${packageSection(found, { query, href: profileHref(name), now })}
${settingsSection(profile)}
${commandsSection(profile)}`;
  return { title: name, section: 'overview', main };
}

/** What is wrong with what its folder holds now; what the page shows is the last good state. */
function brokenNotice({ profiles }: HttpContext, name: string): Html | false {
  const faults = profiles.broken()[name] ?? [];
  return (
    faults.length > 0 &&
    html`<section class="notice" aria-labelledby="broken"><h2 id="broken">Stays what it was before</h2>
<ul>${faults.map((fault) => html`<li>${fault}</li>`)}</ul></section>`
  );
}

async function pauseNotice(context: HttpContext, name: string, now: number): Promise<Html | false> {
  const pause = (await context.builds.listPauses()).find(({ profile }) => profile === name);
  return (
    pause !== undefined &&
    html`<p class="notice">Nothing is built for it: paused by ${person(pause.by)} ${timeAgo(pause.pausedAt, now)}: ${pause.reason} Resume it with <code>rookery profile resume ${name}</code>.</p>`
  );
}

async function channelsSection(
  context: HttpContext,
  profile: HardwareProfile,
  now: number,
): Promise<Html> {
  const rows = await Promise.all(
    profile.channels.map(async (name) => {
      const current = await context.repository.currentPublication(profile.name, name);
      const refusal = await context.repository.lastRefusal({
        profile: profile.name,
        channel: name,
      });
      const href = channelHref(profile.name, name);
      const refused = refusal && html` <a class="pill bad" href="${href}#refused">refused</a>`;
      const link = html`<th scope="row"><a href="${href}">${name}</a>${refused}</th>`;
      return current === undefined
        ? html`<tr>${link}<td class="number">–</td><td class="number">–</td><td class="muted">nothing yet</td><td></td></tr>`
        : html`<tr>${link}<td class="number">#${current.serial}</td><td class="number">${current.packageCount}</td><td>${timeAgo(current.createdAt, now)}</td><td>${current.reason}</td></tr>`;
    }),
  );
  return html`<section aria-labelledby="channels"><h2 id="channels">Channels</h2>
${table({
  caption: 'Channels',
  columns: [
    'Channel',
    { name: 'Serial', kind: 'number' },
    { name: 'Packages', kind: 'number' },
    'Published',
    'Reason',
  ],
  rows,
  empty: 'This profile has no channels.',
})}
</section>`;
}

function settingsSection(profile: HardwareProfile): Html {
  const sets = Object.entries(profile.sets);
  return html`<section aria-labelledby="settings"><h2 id="settings">How it compiles</h2>
${factList([
  ['CHOST', code(profile.chost)],
  ...Object.entries(profile.flags).map(([name, value]) => [name, code(value)] as const),
  [profile.cpuFlagsVariable ?? 'CPU flags', code(profile.cpuFlags.join(' '))],
  ['USE', code(profile.use.join(' '))],
  ['FEATURES', code(profile.features.join(' '))],
  ['MAKEOPTS', code(profile.makeopts)],
  ['Gentoo profile', code(profile.gentooProfile ?? '')],
  ['Executor', profile.executor],
  ['Made from', profile.ancestors.join(', ')],
])}
<details><summary>Effective make.conf</summary>${copyBox('make-conf', formatMakeConf(profile), 'Effective make.conf')}</details>
${sets.map(
  ([name, atoms]) =>
    html`<details><summary>Set @${name}</summary><ul class="columns">${atoms.map((atom) => html`<li><code>${atom}</code></li>`)}</ul></details>`,
)}
</section>`;
}

function code(text: string): Html | false {
  return text !== '' && html`<code>${text}</code>`;
}

function commandsSection(profile: HardwareProfile): Html {
  const [first = 'testing'] = profile.channels;
  const command = `rookery build request ${profile.name} CATEGORY/PACKAGE --publish ${first} --wait`;
  return html`<section aria-labelledby="commands"><h2 id="commands">Have something built</h2>
${copyBox('build-command', command, 'Command that asks for a package')}
</section>`;
}
