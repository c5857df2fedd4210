import { formatPolicyDuration, type PromotionPolicy } from '../../../gentoo/promotion-policy.ts';
import type { Standing } from '../../../repository/proof/judge-proof.ts';
import type { PromotionProof } from '../../../repository/proof/read-proof.ts';
import { type Html, html } from '../html.ts';
import { nodeHref } from '../links.ts';
import { table } from '../parts.ts';
import { count, timeAgo } from '../units.ts';

const TONES: Readonly<Record<Standing['state'], string>> = {
  passed: 'good',
  failed: 'bad',
  old: 'warn',
  elsewhere: 'idle',
};

/** What the next promotion to a channel needs, and how each node stands to it. */
export function proofSection(proof: PromotionProof, now: number): Html {
  const { from, serial, isProven, missing, nodes } = proof;
  const verdict = isProven
    ? html`<span class="pill good">proven</span>`
    : html`<span class="pill warn">not proven</span>`;
  const row = (node: Standing): Html => html`<tr>
<th scope="row"><a href="${nodeHref(node.node)}">${node.node}</a></th>
<td><span class="pill ${TONES[node.state]}">${node.state}</span></td>
<td>${node.sentence}</td>
<td>${timeAgo(node.lastReportedAt, now)}</td>
</tr>`;
  return html`<section aria-labelledby="proof"><h2 id="proof">Proof</h2>
<p>${verdict} ${
    serial === null
      ? html`There is nothing to promote.`
      : html`Publication ${serial} of ${from} would be promoted. Needed: ${policyWords(proof.policy)}.`
  }</p>
${missing.map((sentence) => html`<p>${sentence}</p>`)}
${table({
  caption: 'Nodes that reported about it',
  columns: ['Node', 'State', 'Why', 'Reported'],
  rows: nodes.map(row),
  empty: html`No node of ${from} has reported yet: <code>rookery-node report</code>, from the setup script.`,
})}
</section>`;
}

function policyWords({ nodes, checks, soakMs, withinMs }: PromotionPolicy): string {
  if (nodes === 0) {
    return 'nothing';
  }
  return [
    count(nodes, 'node'),
    ...(checks.length === 0 ? [] : [`the checks ${checks.join(', ')}`]),
    ...(soakMs === 0 ? [] : [`a soak of ${formatPolicyDuration(soakMs)}`]),
    ...(withinMs === null ? [] : [`reports not older than ${formatPolicyDuration(withinMs)}`]),
  ].join('; ');
}
