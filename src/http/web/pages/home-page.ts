import type { AgentRecord } from '../../../builds/builds.ts';
import type { BuildRequest } from '../../../builds/request.ts';
import type { HardwareProfile } from '../../../gentoo/profile.ts';
import type { PublicationRecord } from '../../../repository/publication.ts';
import { rolloutSummary } from '../../api/rollout-views.ts';
import { isLive } from '../../api/views.ts';
import type { HttpContext } from '../../context.ts';
import { publicUrlMissing } from '../../public-url.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, profileHref } from '../links.ts';
import { copyBox } from '../parts.ts';
import { count, timeAgo } from '../units.ts';
import { agentCard, takenOutNotice } from './agents-page.ts';
import { clientCommand } from './channel-page.ts';
import { searchField } from './package-table.ts';
import { requestTable } from './request-table.ts';
import { heldNotice, runningNotice } from './rollouts-page.ts';
import { scheduleNotice } from './schedules-page.ts';

const LAST_BUILDS = 8;

interface ChannelState {
  readonly name: string;
  readonly current: PublicationRecord | undefined;
}

interface ProfileState {
  readonly profile: HardwareProfile;
  readonly channels: readonly ChannelState[];
  readonly packages: number;
}

/** The first page: what there is for which machine, what was built last, and who builds. */
export async function homePage(context: HttpContext, publicUrl: string | undefined): Promise<Page> {
  const [states, requests, agents] = await Promise.all([
    Promise.all(context.profiles.list().map(async (profile) => await stateOf(context, profile))),
    context.builds.listRequests({ limit: LAST_BUILDS }),
    context.builds.listAgents(),
  ]);
  const now = context.clock.now();
  const main = html`<div class="heading"><h1>Hardware profiles</h1>
<form role="search" method="get" action="/packages" aria-label="All packages">${searchField('')}</form></div>
<p class="lead">Each profile is one kind of machine. Nodes point at a channel of theirs.</p>
<div data-live-region="home" data-refresh="15">
${warningsSection(context)}
${brokenProfiles(context)}
${await fleetNotice(context)}
${takenOutNotice(agents)}
${await scheduleNotice(context)}
${states.length === 0 && html`<p class="empty">No profile is set up yet. <code>rookery profile list</code> tells what was found.</p>`}
<div class="cards">${states.map((state) => profileCard(state, { now, publicUrl }))}</div>
${buildsSection(requests, now)}
${agentsSection(agents, { now, heartbeatMs: context.heartbeatMs })}
</div>`;
  return { title: 'Hardware profiles', section: 'overview', main, refreshSeconds: 30 };
}

/** What goes on in production, and which nodes somebody has to look at. */
async function fleetNotice({ rollouts, clock }: HttpContext): Promise<Html> {
  const underWay = (await rollouts.list()).filter(
    ({ state }) => state === 'running' || state === 'paused' || state === 'aborting',
  );
  return html`${heldNotice(await rollouts.held(), clock.now())}${runningNotice(underWay.map(rolloutSummary))}`;
}

async function stateOf(context: HttpContext, profile: HardwareProfile): Promise<ProfileState> {
  const [channels, { total }] = await Promise.all([
    Promise.all(
      profile.channels.map(async (name) => ({
        name,
        current: await context.repository.currentPublication(profile.name, name),
      })),
    ),
    context.repository.searchPackages({ profile: profile.name, limit: 1, offset: 0 }),
  ]);
  return { profile, channels, packages: total };
}

function warningsSection(context: HttpContext): Html | false {
  const warnings = context.warnings();
  return (
    warnings.length > 0 &&
    html`<section class="notice" aria-labelledby="warnings"><h2 id="warnings">Needs attention</h2>
<ul>${warnings.map((warning) => html`<li>${warning}</li>`)}</ul></section>`
  );
}

function brokenProfiles(context: HttpContext): Html | false {
  const broken = Object.entries(context.profiles.broken());
  if (broken.length === 0) {
    return false;
  }
  return html`<section class="notice" aria-labelledby="broken">
<h2 id="broken">${count(broken.length, 'profile')} cannot be read</h2>
${broken.map(
  ([name, faults]) =>
    html`<h3>${name}</h3>${isKept(context, name) && html`<p>It stays what it was before.</p>`}<ul>${faults.map((fault) => html`<li>${fault}</li>`)}</ul>`,
)}
</section>`;
}

/** Whether a profile that is broken now is still known as it was. */
export function isKept({ profiles }: HttpContext, name: string): boolean {
  return profiles.list().some((profile) => profile.name === name);
}

function profileCard(
  { profile, channels, packages }: ProfileState,
  { now, publicUrl }: { readonly now: number; readonly publicUrl: string | undefined },
): Html {
  return html`<article class="card">
<h2><a href="${profileHref(profile.name)}">${profile.name}</a></h2>
<p>${profile.description}</p>
<p class="chips">${instructionSet(profile).map((word) => html`<span class="chip">${word}</span>`)}</p>
<table class="plain"><caption class="hidden">Channels of ${profile.name}</caption>
<thead><tr><th scope="col">Channel</th><th scope="col" class="number">Serial</th><th scope="col" class="number">Packages</th><th scope="col">Published</th></tr></thead>
<tbody>${channels.map((channel) => channelRow(profile.name, channel, now))}</tbody></table>
<p class="after"><a href="${profileHref(profile.name)}#packages">${count(packages, 'package')}</a></p>
${nodeSetup(profile, channels, publicUrl)}
</article>`;
}

/** How a node becomes a client of the last channel that shows something. */
function nodeSetup(
  profile: HardwareProfile,
  channels: readonly ChannelState[],
  publicUrl: string | undefined,
): Html | false {
  const shown = channels.findLast(({ current }) => current !== undefined) ?? channels.at(-1);
  if (shown === undefined) {
    return false;
  }
  const feed = { profile: profile.name, channel: shown.name };
  return html`<details id="setup-${profile.name}"><summary>Set up a node for ${shown.name}</summary>
${
  publicUrl === undefined
    ? html`<p class="muted">${publicUrlMissing().message}</p>`
    : copyBox(
        `command-${profile.name}`,
        clientCommand(feed, publicUrl),
        `Command that sets up a node of ${profile.name}`,
      )
}</details>`;
}

function channelRow(profile: string, { name, current }: ChannelState, now: number): Html {
  const link = html`<th scope="row"><a href="${channelHref(profile, name)}">${name}</a></th>`;
  if (current === undefined) {
    return html`<tr>${link}<td class="number">–</td><td class="number">–</td><td class="muted">nothing yet</td></tr>`;
  }
  return html`<tr>${link}<td class="number">#${current.serial}</td><td class="number">${current.packageCount}</td><td>${timeAgo(current.createdAt, now)}</td></tr>`;
}

/** What the compiler may assume of the machine: ARCH, -march and -mtune, and how many CPU flags are named. */
export function instructionSet(profile: HardwareProfile): string[] {
  const flags = profile.flags['CFLAGS'] ?? '';
  const machine = flags.match(/(?<![^ ])-m(?:arch|cpu|tune)=[^ ]+/g) ?? [];
  const named = profile.cpuFlags.length;
  return [profile.arch, ...machine, ...(named === 0 ? [] : [count(named, 'CPU flag')])];
}

function buildsSection(requests: readonly BuildRequest[], now: number): Html {
  return html`<section aria-labelledby="builds">
<div class="heading"><h2 id="builds">Last builds</h2><a href="/requests">All builds</a></div>
${requestTable('Last builds', requests, now)}
</section>`;
}

function agentsSection(
  agents: readonly AgentRecord[],
  times: { readonly now: number; readonly heartbeatMs: number },
): Html {
  const live = agents.filter((agent) => isLive(agent, times)).length;
  return html`<section aria-labelledby="agents">
<div class="heading"><h2 id="agents">Agents</h2><a href="/agents">All agents</a></div>
${
  agents.length === 0
    ? html`<p class="empty">No agent has registered. On a builder: <code>rookery agent --server URL --token-file FILE --name NAME</code></p>`
    : html`<p>${live} of ${count(agents.length, 'agent')} ${live === 1 ? 'is' : 'are'} here.</p><div class="cards small">${agents.map((agent) => agentCard(agent, times))}</div>`
}
</section>`;
}
