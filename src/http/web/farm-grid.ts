import { MEMBER_STATES, type MemberState } from '../../protocol/member-states.ts';
import { type Html, html } from './html.ts';
import { nodeHref } from './links.ts';

/** A row: a farm and its members. */
export interface GridFarm {
  readonly site: string;
  readonly name: string;
  readonly members: readonly { readonly node: string; readonly index: number }[];
}

/** How a member stands; `note` says more than the word of the state. */
export interface GridCell {
  readonly state: MemberState;
  readonly note?: string;
}

/**
 * Farms as rows, members as columns by their index, each cell with the letter and colour of its node's state and a link to the
 * node's page, which a node that has never reported does not have. `cells` is by node; a node that it does not have has no state. Below it the letters are explained; those of
 * `mayCome` are there but hidden as long as no member has them, for a script that changes cells.
 */
export function farmGrid(
  caption: string,
  farms: readonly GridFarm[],
  cells: ReadonlyMap<string, GridCell>,
  mayCome: readonly MemberState[] = [],
): Html {
  const indexes = [
    ...new Set(farms.flatMap(({ members }) => members.map(({ index }) => index))),
  ].toSorted((a, b) => a - b);
  const sites = [...new Set(farms.map(({ site }) => site))];
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
<table class="farm-grid"><caption>${caption}</caption>
<thead><tr><th scope="col">Farm</th>${indexes.map((index) => html`<th scope="col">${index}</th>`)}</tr></thead>
${sites.map((site) => siteRows(site, { farms, cells, indexes }))}
</table></div>
${legend(farms, cells, mayCome)}`;
}

function siteRows(
  site: string,
  grid: {
    readonly farms: readonly GridFarm[];
    readonly cells: ReadonlyMap<string, GridCell>;
    readonly indexes: readonly number[];
  },
): Html {
  const farms = grid.farms.filter((farm) => farm.site === site);
  return html`<tbody><tr class="site"><th scope="rowgroup" colspan="${grid.indexes.length + 1}">${site}</th></tr>
${farms.map((farm) => farmRow(farm, grid))}</tbody>
`;
}

function farmRow(
  farm: GridFarm,
  {
    cells,
    indexes,
  }: { readonly cells: ReadonlyMap<string, GridCell>; readonly indexes: readonly number[] },
): Html {
  const byIndex = new Map(farm.members.map(({ index, node }) => [index, node]));
  return html`<tr><th scope="row">${farm.name}</th>${indexes.map((index) => {
    const node = byIndex.get(index);
    return node === undefined ? html`<td></td>` : html`<td>${cell(node, cells.get(node))}</td>`;
  })}</tr>
`;
}

function cell(node: string, stands: GridCell | undefined): Html {
  if (stands === undefined) {
    return html`<a class="cell" href="${nodeHref(node)}" title="${node}"><span class="hidden">${node}</span></a>`;
  }
  const { letter, word } = MEMBER_STATES[stands.state];
  const said = `${node}: ${stands.note ?? word}`;
  const inside = html`<span aria-hidden="true">${letter}</span><span class="hidden">${said}</span>`;
  return stands.state === 'unreported'
    ? html`<span class="cell ${stands.state}" title="${said}" data-node="${node}">${inside}</span>`
    : html`<a class="cell ${stands.state}" href="${nodeHref(node)}" title="${said}" data-node="${node}">${inside}</a>`;
}

/** The states that occur, with how many members are in each. */
function legend(
  farms: readonly GridFarm[],
  cells: ReadonlyMap<string, GridCell>,
  mayCome: readonly MemberState[],
): Html {
  const shown = farms.flatMap(({ members }) =>
    members.flatMap(({ node }) => cells.get(node)?.state ?? []),
  );
  const rows = Object.entries(MEMBER_STATES).flatMap(([state, { letter, word }]) => {
    const count = shown.filter((one) => one === state).length;
    const isWanted = mayCome.some((one) => one === state);
    const live = isWanted && html` data-count="${state}"${count === 0 && html` hidden`}`;
    return count === 0 && !isWanted
      ? []
      : [
          html`<li${live}><span class="cell ${state}" aria-hidden="true">${letter}</span> ${word}: <span>${count}</span></li>`,
        ];
  });
  return html`<ul class="grid-legend">${rows}</ul>`;
}
