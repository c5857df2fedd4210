import { type BuildRequest, FINAL_REQUEST_STATES } from '../../../builds/request.ts';
import { type Html, html } from '../html.ts';
import { profileHref, requestHref } from '../links.ts';
import { person, stateBadge, table } from '../parts.ts';
import { duration, timeAgo } from '../units.ts';

const SHOWN_ATOMS = 3;

export function requestTable(
  caption: string,
  requests: readonly BuildRequest[],
  now: number,
): Html {
  return table({
    caption,
    columns: ['State', 'What', 'Profile', 'By', 'Asked', { name: 'Took', kind: 'number' }],
    rows: requests.map((request) => requestRow(request, now)),
    empty: html`Nothing was built yet. <code>rookery build request PROFILE ATOM</code> asks for a package.`,
  });
}

function requestRow(request: BuildRequest, now: number): Html {
  return html`<tr>
<td>${stateBadge(request.state)}</td>
<th scope="row"><a href="${requestHref(request.id)}">${atomsText(request.atoms)}</a>${
    request.publish !== null && html` <span class="muted">→ ${request.publish}</span>`
  }</th>
<td class="name"><a href="${profileHref(request.profile)}">${request.profile}</a></td>
<td>${person(request.author)}</td>
<td>${timeAgo(request.createdAt, now)}</td>
<td class="number">${requestDuration(request, now)}</td>
</tr>`;
}

/** The first atoms, and how many more there are. */
export function atomsText(atoms: readonly string[]): string {
  const shown = atoms.slice(0, SHOWN_ATOMS).join(' ');
  const more = atoms.length - SHOWN_ATOMS;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

export function requestDuration(request: BuildRequest, now: number): string {
  const isOver = FINAL_REQUEST_STATES.includes(request.state);
  const end = request.finishedAt ?? (isOver ? request.createdAt : now);
  return duration(end - request.createdAt);
}
