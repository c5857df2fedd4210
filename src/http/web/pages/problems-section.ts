import type { PlanProblemView, RequestDetail } from '../../../protocol/builds.ts';
import { type Html, html } from '../html.ts';
import { copyBox } from '../parts.ts';

/** Why there is no plan, and the lines that would help, to be copied. */
export function problemsSection({ problems }: Pick<RequestDetail, 'problems'>): Html | false {
  return (
    problems.length > 0 &&
    html`<section class="notice" aria-labelledby="problems"><h2 id="problems">Why there is no plan</h2>
<ul>${problems.map(problemItem)}</ul></section>`
  );
}

function problemItem(problem: PlanProblemView, place: number): Html {
  const { code, sentence, lines, enough, advice } = problem;
  return html`<li data-code="${code}">${sentence}${advice !== null && html` ${advice}`}
${lines.length > 0 && html`<p>${enough === 'one' && lines.length > 1 ? 'One of these lines' : 'This'} in the <code>portage</code> folder of the profile would help:</p>`}
${lines.map(({ file, line }, index) => html`<p><code>${file}</code></p>${copyBox(`fix-${place}-${index}`, line, `Line for ${file}`)}`)}</li>`;
}
