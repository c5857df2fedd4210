import type { AgentRecord } from '../../../builds/builds.ts';
import { isLive } from '../../api/views.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { jobHref } from '../links.ts';
import { copyBox, factList } from '../parts.ts';
import { bytes, count, timeAgo, utc } from '../units.ts';

interface Times {
  readonly now: number;
  readonly heartbeatMs: number;
}

/** The builders: what they are, what they can do, what they do now. */
export async function agentsPage(
  context: HttpContext,
  publicUrl: string | undefined,
): Promise<Page> {
  const agents = await context.builds.listAgents();
  const times = { now: context.clock.now(), heartbeatMs: context.heartbeatMs };
  const command = `rookery agent --server ${publicUrl ?? 'URL'} --token-file builder.token --name NAME`;
  const main = html`<h1>Agents</h1>
<p class="lead">An agent runs on a builder, takes one job after another, and compiles it with Portage.</p>
<div data-live-region="agents" data-refresh="10">
${agents.length === 0 && html`<p class="empty">No agent has registered yet.</p>`}
<div class="cards">${agents.map((agent) => agentArticle(agent, times))}</div>
</div>
<section aria-labelledby="more"><h2 id="more">Add an agent</h2>
<p>On the builder, with a token of the role builder (<code>rookery token create NAME --role builder --to builder.token</code>):</p>
${copyBox('agent-command', command, 'Command that starts an agent')}
</section>`;
  return { title: 'Agents', section: 'agents', main, refreshSeconds: 30 };
}

/** An agent in two lines. */
export function agentCard(agent: AgentRecord, times: Times): Html {
  return html`<article class="card slim">
<h3>${presence(agent, times)} ${agent.name}</h3>
<p class="muted">${count(agent.cores, 'core')}, ${bytes(agent.memoryBytes)}. ${agent.state === 'active' ? doing(agent) : `Is ${STATES[agent.state]}.`}</p>
</article>`;
}

function agentArticle(agent: AgentRecord, times: Times): Html {
  return html`<article class="card">
<h2>${presence(agent, times)} ${agent.name}</h2>
<p>${doing(agent)}</p>
${standing(agent, times.now)}
${factList([
  ['CHOST', html`<code>${agent.chost}</code>`],
  ['Machine', `${count(agent.cores, 'core')}, ${bytes(agent.memoryBytes)}`],
  ['Portage', agent.portageVersion ?? 'not installed'],
  ['Builds with', agent.executors.join(', ')],
  ['Compiler', agent.compiler],
  ['Compiles for others', distccdOf(agent)],
  ['Disk left', agent.diskFreeBytes !== null && bytes(agent.diskFreeBytes)],
  ['Labels', agent.labels.join(', ')],
  ['Only for', agent.profiles.join(', ')],
  ['Jobs at once', agent.slots > 1 && String(agent.slots)],
  ['Last heard of', timeAgo(agent.lastSeenAt, times.now)],
  ['Registered', timeAgo(agent.registeredAt, times.now)],
])}
<details><summary>${count(agent.cpuFlags.length, 'CPU flag')}</summary>
<p class="chips">${agent.cpuFlags.map((flag) => html`<span class="chip">${flag}</span>`)}</p></details>
</article>`;
}

function distccdOf({ distccd = null }: AgentRecord): string | false {
  return distccd !== null && `${distccd.jobs} files at once, ${distccd.host}:${distccd.port}`;
}

const STATES = { active: 'active', drained: 'drained', 'taken-out': 'taken out' } as const;

/** Why an agent gets no jobs; nothing when it does. */
function standing(agent: AgentRecord, now: number): Html | false {
  if (agent.state === 'active') {
    return false;
  }
  const { stateSince, trialAt } = agent;
  return html`<section class="notice"><p><strong>It is ${STATES[agent.state]}</strong>${stateSince !== null && html`, ${timeAgo(stateSince, now)}`}. ${agent.stateReason}</p>
${
  agent.state === 'taken-out' &&
  html`<p>It gets one job on trial${trialAt !== null && html` after ${utc(trialAt)}`}, or all again with <code>rookery agent restore ${agent.name}</code>.</p>`
}</section>`;
}

/** Names the agents that were taken out; nothing when there is none. */
export function takenOutNotice(agents: readonly AgentRecord[]): Html | false {
  const out = agents.filter(({ state }) => state === 'taken-out');
  return (
    out.length > 0 &&
    html`<section class="notice" aria-labelledby="taken-out"><h2 id="taken-out">Agents taken out</h2>
<ul>${out.map(({ name, stateReason }) => html`<li><a href="/agents">${name}</a>: ${stateReason}</li>`)}</ul></section>`
  );
}

function presence(agent: AgentRecord, times: Times): Html {
  return isLive(agent, times)
    ? html`<span class="dot good" role="img" aria-label="here"></span>`
    : html`<span class="dot bad" role="img" aria-label="not heard of"></span>`;
}

function doing(agent: AgentRecord): Html {
  if (agent.jobIds.length === 0) {
    return html`Waits for work.`;
  }
  const links = agent.jobIds.map(
    (id, index) => html`${index > 0 && ', '}<a href="${jobHref(id)}">${id}</a>`,
  );
  return html`Works on ${links}.`;
}
