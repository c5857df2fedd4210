import type { Excerpt } from '../../../builds/build-records.ts';
import { type Html, html } from '../html.ts';

/** The first error of an attempt, among the lines around it. */
export function failureSection(excerpt: Excerpt | undefined): Html | false {
  if (excerpt === undefined) {
    return false;
  }
  const { failure, firstLine, lines } = excerpt;
  const rows = lines.map((text, index) => {
    const number = firstLine + index;
    return number === failure.line
      ? html`<li class="error" value="${number}"><mark>${text}</mark></li>`
      : html`<li value="${number}">${text}</li>`;
  });
  return html`<section aria-labelledby="failure"><h2 id="failure">First error</h2>
<p>${failure.phase !== null && html`In the phase <strong>${failure.phase}</strong>, `}line ${failure.line} of the log:</p>
<ol class="excerpt" start="${firstLine}" tabindex="0" aria-label="The log around the first error">${rows}</ol>
</section>`;
}
