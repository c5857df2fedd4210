import type { Allowance } from '../../../repository/gate/gate-store.ts';
import { type Html, html } from '../html.ts';
import { person, table } from '../parts.ts';
import { timeAgo } from '../units.ts';

/** What the gate has found and an administrator let pass for what a channel shows now. */
export function gateSection(allowances: readonly Allowance[], now: number): Html | false {
  if (allowances.length === 0) {
    return false;
  }
  const rows = allowances.map(
    ({ findingId, message, author, reason, createdAt }) => html`<tr>
<td>${message}<span class="sub">${findingId}</span></td>
<td>${reason}</td><td>${person(author)}</td><td>${timeAgo(createdAt, now)}</td></tr>`,
  );
  return html`<section aria-labelledby="gate"><h2 id="gate">Let pass</h2>
${table({
  caption: 'Findings of the gate that were let pass',
  columns: ['Finding', 'Why', 'By', 'When'],
  rows,
  empty: '',
})}
</section>`;
}
