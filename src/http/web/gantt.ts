import type { Timeline } from '../../builds/timeline.ts';
import type { JobView } from '../../protocol/builds.ts';
import { type Html, html } from './html.ts';
import { attemptHref } from './links.ts';
import { axisTicks } from './time-axis.ts';
import { duration } from './units.ts';

const LEFT = 130;
const WIDTH = 1040;
const RIGHT = 12;
const TOP = 26;
const LANE = 26;
const BAR = 20;
const CHARACTER = 6.4;
const AGENT_LETTERS = 18;
/** More bars than this nobody can tell apart; the longest are drawn. */
const MOST_BARS = 1000;

interface Bar {
  readonly jobId: string;
  readonly attempt: number;
  readonly agent: string;
  readonly name: string;
  readonly startsAt: number;
  readonly endsAt: number;
  /** Where it is expected to end, when it runs. */
  readonly expectedAt: number | null;
  readonly tone: 'good' | 'bad' | 'busy' | 'idle';
  readonly isCritical: boolean;
  readonly outcome: string;
}

interface Scale {
  readonly from: number;
  readonly to: number;
  readonly x: (at: number) => number;
}

/** Who built what when: a row for each agent, a bar for each attempt. Nothing when nobody has begun. */
export function gantt(timeline: Timeline, jobs: readonly JobView[], now: number): Html | false {
  const all = barsOf(timeline, jobs, now);
  if (all.length === 0) {
    return false;
  }
  const bars = all
    .toSorted((one, other) => other.endsAt - other.startsAt - (one.endsAt - one.startsAt))
    .slice(0, MOST_BARS);
  const rows = layOut(bars);
  const scale = scaleOf(bars, timeline);
  const height = TOP + rows.lanes * LANE + 4;
  return html`<div class="scroll gantt"><svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Who built what when">
${axis(scale, height)}
${rows.agents.map((agent) => agentRow(agent))}
${rows.placed.map(({ bar, lane }) => drawBar(bar, lane, scale))}
${now < scale.to && now > scale.from && marker(scale.x(now), height)}
</svg></div>
${legend(timeline, jobs)}
${all.length > bars.length && html`<p class="muted">The ${all.length - bars.length} shortest are left out.</p>`}`;
}

function barsOf(timeline: Timeline, jobs: readonly JobView[], now: number): Bar[] {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const critical = new Set(timeline.criticalPath);
  const expected = new Map(timeline.expected.map(({ jobId, endsAt }) => [jobId, endsAt]));
  return timeline.attempts.map((attempt): Bar => {
    const job = byId.get(attempt.jobId);
    const isRunning = attempt.finishedAt === null;
    return {
      ...attempt,
      name: job === undefined || job.kind === 'plan' ? 'plan' : job.name,
      startsAt: attempt.startedAt,
      endsAt: attempt.finishedAt ?? now,
      expectedAt: isRunning ? (expected.get(attempt.jobId) ?? null) : null,
      tone: toneOf(attempt.outcome),
      isCritical: critical.has(attempt.jobId),
      outcome: attempt.outcome ?? 'building',
    };
  });
}

function toneOf(outcome: string | null): Bar['tone'] {
  if (outcome === null) {
    return 'busy';
  }
  if (outcome === 'succeeded') {
    return 'good';
  }
  return outcome === 'failed' ? 'bad' : 'idle';
}

interface Rows {
  readonly lanes: number;
  readonly agents: readonly {
    readonly name: string;
    readonly lane: number;
    readonly lanes: number;
  }[];
  readonly placed: readonly { readonly bar: Bar; readonly lane: number }[];
}

/** Bars of an agent that overlap go below each other. */
function layOut(bars: readonly Bar[]): Rows {
  const names = [...new Set(bars.map(({ agent }) => agent))].toSorted();
  const placed: { bar: Bar; lane: number }[] = [];
  const agents: { name: string; lane: number; lanes: number }[] = [];
  let lane = 0;
  for (const name of names) {
    const ends: number[] = [];
    const own = bars
      .filter(({ agent }) => agent === name)
      .toSorted((one, other) => one.startsAt - other.startsAt);
    for (const bar of own) {
      const free = ends.findIndex((end) => end <= bar.startsAt);
      const index = free < 0 ? ends.length : free;
      ends[index] = bar.endsAt;
      placed.push({ bar, lane: lane + index });
    }
    agents.push({ name, lane, lanes: ends.length });
    lane += ends.length;
  }
  return { lanes: lane, agents, placed };
}

function scaleOf(bars: readonly Bar[], { expectedAt }: Timeline): Scale {
  const from = bars.reduce((least, { startsAt }) => Math.min(least, startsAt), Number.MAX_VALUE);
  const last = bars.reduce((most, bar) => Math.max(most, bar.endsAt, bar.expectedAt ?? 0), from);
  const to = Math.max(last, expectedAt ?? 0, from + 1000);
  const width = WIDTH - LEFT - RIGHT;
  return { from, to, x: (at) => round(LEFT + ((at - from) / (to - from)) * width) };
}

function axis({ from, to, x }: Scale, height: number): Html {
  const ticks = axisTicks(to - from).map((after) => {
    const place = x(from + after);
    return html`<line x1="${place}" y1="${TOP - 4}" x2="${place}" y2="${height}"></line>
<text x="${place + 3}" y="${TOP - 9}">${after === 0 ? '0' : duration(after)}</text>`;
  });
  return html`<g class="axis">${ticks}</g>`;
}

function agentRow(agent: Rows['agents'][number]): Html {
  const y = TOP + agent.lane * LANE;
  const { name } = agent;
  const text = name.length > AGENT_LETTERS ? `${name.slice(0, AGENT_LETTERS - 1)}…` : name;
  return html`<g class="agent"><line x1="0" y1="${y}" x2="${WIDTH}" y2="${y}"></line>
<text x="4" y="${y + LANE / 2}" dominant-baseline="central">${text}<title>${name}</title></text></g>`;
}

function drawBar(bar: Bar, lane: number, { x }: Scale): Html {
  const y = TOP + lane * LANE + (LANE - BAR) / 2;
  const [left, right] = [x(bar.startsAt), x(bar.endsAt)];
  const width = Math.max(2, round(right - left));
  const path = bar.isCritical ? ', on the critical path' : '';
  const tries = bar.attempt > 1 ? `, try ${bar.attempt}` : '';
  return html`<a href="${attemptHref(bar.jobId, bar.attempt)}"><g class="bar-of ${bar.tone}${bar.isCritical && ' critical'}">
<title>${bar.name}${tries} on ${bar.agent}: ${bar.outcome}, ${duration(bar.endsAt - bar.startsAt)}${path}</title>
${
  bar.expectedAt !== null &&
  bar.expectedAt > bar.endsAt &&
  html`<rect class="expected" x="${left}" y="${y}" width="${round(x(bar.expectedAt) - left)}" height="${BAR}" rx="3"></rect>`
}
<rect x="${left}" y="${y}" width="${width}" height="${BAR}" rx="${width < 8 ? 1 : 3}"></rect>
${label(bar, { left, width, y })}
</g></a>`;
}

/** As much of the name as there is room for. */
function label(
  bar: Bar,
  { left, width, y }: { readonly left: number; readonly width: number; readonly y: number },
): Html | false {
  const name = bar.name.slice(bar.name.indexOf('/') + 1);
  const room = Math.floor((width - 10) / CHARACTER);
  if (room < 4) {
    return false;
  }
  const text = name.length > room ? `${name.slice(0, room - 1)}…` : name;
  return html`<text x="${left + 5}" y="${y + BAR / 2}" dominant-baseline="central">${text}</text>`;
}

function marker(x: number, height: number): Html {
  return html`<line class="now" x1="${x}" y1="${TOP - 4}" x2="${x}" y2="${height}"></line>`;
}

function legend({ criticalPath, criticalMs }: Timeline, jobs: readonly JobView[]): Html | false {
  const byId = new Map(jobs.map(({ id, name }) => [id, name]));
  const names = criticalPath.flatMap((id) => byId.get(id) ?? []);
  const shown = names.map((name) => name.slice(name.indexOf('/') + 1));
  const middle = shown.length > 8 ? [...shown.slice(0, 4), '…', ...shown.slice(-3)] : shown;
  return (
    names.length > 0 &&
    html`<p class="muted"><span class="swatch critical"></span> Critical path, ${duration(criticalMs)}: ${middle.join(' → ')}</p>`
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
