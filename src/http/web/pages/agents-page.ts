import type { AgentRecord } from '../../../builds/builds.ts';
import { isLive } from '../../api/views.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { jobHref } from '../links.ts';
import { copyBox, factList } from '../parts.ts';
import { bytes, count, timeAgo } from '../units.ts';

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
<p class="muted">${count(agent.cores, 'core')}, ${bytes(agent.memoryBytes)}. ${doing(agent)}</p>
</article>`;
}

function agentArticle(agent: AgentRecord, times: Times): Html {
  return html`<article class="card">
<h2>${presence(agent, times)} ${agent.name}</h2>
<p>${doing(agent)}</p>
${agent.state !== 'active' && html`<p><span class="pill warn">${agent.state === 'drained' ? 'drained' : 'taken out'}</span> Gets no new jobs. ${agent.stateReason}</p>`}
${factList([
  ['CHOST', html`<code>${agent.chost}</code>`],
  ['Machine', `${count(agent.cores, 'core')}, ${bytes(agent.memoryBytes)}`],
  ['Portage', agent.portageVersion ?? 'not installed'],
  ['Builds with', agent.executors.join(', ')],
  ['Compiler', agent.compiler],
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
