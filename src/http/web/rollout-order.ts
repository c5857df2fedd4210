import type { PlanOutline } from '../../protocol/rollout-plans.ts';
import { type Html, html } from './html.ts';

const SHADES = 6;

/**
 * The plan drawn: farms as rows, members as columns, in each cell the number of the stage in which the member is upgraded. Member
 * by member it goes through the columns, farm by farm through the rows.
 */
export function rolloutOrder({ stages, farms }: Pick<PlanOutline, 'stages' | 'farms'>): Html {
  const stageOf = new Map(
    stages.flatMap(({ type, units }, place) =>
      type === 'prefetch'
        ? []
        : units.flatMap(({ nodes }) => nodes.map((node) => [node, place] as const)),
    ),
  );
  const last = Math.max(0, ...farms.flatMap(({ members }) => members.map(({ index }) => index)));
  const columns = Array.from({ length: last }, (_, place) => place + 1);
  const cellOf = (node: string | undefined): Html => {
    const place = node === undefined ? undefined : stageOf.get(node);
    const stage = place === undefined ? undefined : stages[place];
    if (node === undefined || place === undefined || stage === undefined) {
      return html`<td></td>`;
    }
    const shade = Math.floor((place * SHADES) / stages.length);
    return html`<td><span class="cell order-${shade}" title="${node}: ${stage.id}">${place + 1}</span></td>`;
  };
  const rows = farms.map(({ name, members }) => {
    const nodes = new Map(members.map(({ index, node }) => [index, node]));
    return html`<tr><th scope="row">${name}</th>${columns.map((index) => cellOf(nodes.get(index)))}</tr>
`;
  });
  return html`<div class="scroll" role="region" aria-label="Order of the upgrade" tabindex="0">
<table class="farm-grid"><caption>Order of the upgrade</caption>
<thead><tr><th scope="col">Farm</th>${columns.map((index) => html`<th scope="col">${index}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}
