import type { JobView } from '../../protocol/builds.ts';
import { type Html, html } from './html.ts';
import { jobHref } from './links.ts';
import { toneOf } from './parts.ts';

const WIDTH = 190;
const HEIGHT = 36;
const GAP_X = 56;
const GAP_Y = 14;
const MARGIN = 4;
const LABEL_LENGTH = 24;
const MOST_JOBS = 80;

interface Node {
  readonly job: JobView;
  readonly x: number;
  readonly y: number;
}

/**
 * Draws what waits for what, from left to right. Nothing for a request that is a single package, or too large to
 * be looked at.
 */
export function jobGraph(jobs: readonly JobView[]): Html | false {
  const drawn = jobs.filter(({ kind }) => kind === 'package');
  if (drawn.length < 2 || drawn.length > MOST_JOBS) {
    return false;
  }
  const nodes = place(drawn);
  const width = Math.max(...nodes.map(({ x }) => x)) + WIDTH + MARGIN;
  const height = Math.max(...nodes.map(({ y }) => y)) + HEIGHT + MARGIN;
  return html`<div class="scroll graph"><svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Which package waits for which">
<g class="edges">${nodes.flatMap((node) => edges(node, nodes))}</g>
${nodes.map(box)}
</svg></div>`;
}

/** The number of steps before each job can begin, by job id. A job that needs itself is drawn once all the same. */
export function depths(
  jobs: readonly Pick<JobView, 'id' | 'needs'>[],
): ReadonlyMap<string, number> {
  const known = new Map<string, number>();
  const ids = new Set(jobs.map(({ id }) => id));
  for (let round = 0; round <= jobs.length; round += 1) {
    const open = jobs.filter(({ id }) => !known.has(id));
    const ready = open.filter(({ needs }) =>
      needs.every((need) => !ids.has(need) || known.has(need)),
    );
    for (const { id } of ready.length > 0 ? ready : open) {
      known.set(id, round);
    }
    if (open.length === 0) {
      break;
    }
  }
  return known;
}

function place(jobs: readonly JobView[]): Node[] {
  const depth = depths(jobs);
  const filled = new Map<number, number>();
  return jobs.map((job) => {
    const column = depth.get(job.id) ?? 0;
    const row = filled.get(column) ?? 0;
    filled.set(column, row + 1);
    return { job, x: MARGIN + column * (WIDTH + GAP_X), y: MARGIN + row * (HEIGHT + GAP_Y) };
  });
}

function edges(node: Node, nodes: readonly Node[]): Html[] {
  return nodes
    .filter(({ job }) => node.job.needs.includes(job.id))
    .map((need) => {
      const [x1, y1] = [need.x + WIDTH, need.y + HEIGHT / 2];
      const [x2, y2] = [node.x, node.y + HEIGHT / 2];
      const bend = (x1 + x2) / 2;
      return html`<path d="M${x1} ${y1} C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}"></path>`;
    });
}

function box({ job, x, y }: Node): Html {
  return html`<a href="${jobHref(job.id)}"><g class="node ${toneOf(job.state)}">
<title>${job.name}: ${job.state}</title>
<rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="8"></rect>
<circle cx="${x + 16}" cy="${y + HEIGHT / 2}" r="5"></circle>
<text x="${x + 30}" y="${y + HEIGHT / 2}" dominant-baseline="central">${label(job.name)}</text>
</g></a>`;
}

function label(name: string): string {
  const short = name.slice(name.indexOf('/') + 1);
  return short.length > LABEL_LENGTH ? `${short.slice(0, LABEL_LENGTH - 1)}…` : short;
}
