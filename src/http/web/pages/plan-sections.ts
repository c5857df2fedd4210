import { grouped } from '../../../fleet/plan/findings.ts';
import type {
  PackageImpactView,
  PlanOutline,
  StepOutline,
} from '../../../protocol/rollout-plans.ts';
import { type Html, html } from '../html.ts';
import { factList, table } from '../parts.ts';
import { count, duration } from '../units.ts';

const MOST_PACKAGES = 200;
const MOST_WAYS = 5;

/** What to know before the start, what packages do, how a unit is done and taken back, and what the rollout may do. */
export function planSections(outline: PlanOutline): Html {
  return html`${remarksSection(outline.remarks)}
${impactSection(outline.impact)}
${stepsSections(outline)}
${policySection(outline)}`;
}

function remarksSection(remarks: readonly string[]): Html | false {
  return (
    remarks.length > 0 &&
    html`<section aria-labelledby="remarks"><h2 id="remarks">Before you start</h2>
<ul>${remarks.map((remark) => html`<li>${remark}</li>`)}</ul></section>`
  );
}

function impactSection(impact: readonly PackageImpactView[]): Html | false {
  const notable = impact.filter(({ effect }) => effect !== 'none');
  const more = notable.length - MOST_PACKAGES;
  return (
    impact.length > 0 &&
    html`<section aria-labelledby="impact"><h2 id="impact">What the packages do</h2>
${table({
  caption: 'What the packages do',
  columns: ['Package', 'From', 'To', 'Effect', 'Because'],
  rows: notable
    .slice(0, MOST_PACKAGES)
    .map(
      ({ name, from, to, effect, reasons }) =>
        html`<tr><th scope="row">${name}</th><td>${from ?? '–'}</td><td>${to ?? '–'}</td><td><span class="pill warn">${effect}</span></td><td class="wide">${reasons.join(' ')}</td></tr>`,
    ),
  empty: 'Nothing that serves is touched.',
})}
<p>${more > 0 && `${count(more, 'more package')}; `}${count(impact.length - notable.length, 'package')} without an effect on what serves.</p></section>`
  );
}

/** Lists of steps that differ in names only are shown by the first of them. */
function stepsSections({ stages, procedures }: PlanOutline): Html {
  const ways = grouped(
    stages.flatMap(({ units }) => units),
    ({ procedure }) =>
      (procedures[procedure] ?? []).map(({ id, phase }) => `${id} ${phase}`).join(),
  );
  return html`<section aria-labelledby="steps"><h2 id="steps">How it is done</h2>
${[...ways.values()].slice(0, MOST_WAYS).map((units) => {
  const [first] = units;
  const steps = first === undefined ? [] : (procedures[first.procedure] ?? []);
  const name = `${count(units.length, 'unit')}, such as ${first?.id}`;
  return html`<h3>${name}</h3>${table({
    caption: `Steps of ${name}`,
    columns: ['Step', 'What', { name: 'At most', kind: 'number' }, 'The way back'],
    rows: steps.map(stepRow),
    empty: 'There is nothing to do.',
  })}`;
})}</section>`;
}

function stepRow({ id, words, timeoutSeconds, undo, isFinal }: StepOutline): Html {
  return html`<tr><th scope="row">${id}</th><td>${words}</td><td class="number">${duration(timeoutSeconds * 1000)}</td><td>${isFinal ? 'none from here on' : undo.join(', ')}</td></tr>`;
}

function policySection({ policy }: PlanOutline): Html {
  const { limits, budget, barrier, onFailure, approvals, gates, newSessions, snapshot } = policy;
  const most = [
    [limits.total, 'in all'],
    [limits.perSite, 'of a site'],
    [limits.perRack, 'of a rack'],
    [limits.perBinhost, 'that fetch from the farm'],
  ].flatMap(([limit, words]) => (limit === null ? [] : [`${limit} ${words}`]));
  return html`<section aria-labelledby="policy"><h2 id="policy">What it may do</h2>
${factList([
  [
    'At the same time',
    most.length === 0 ? 'as many as farms can spare' : `at most ${most.join(', ')}`,
  ],
  [
    'Between stages',
    barrier === 'strict' ? 'all farms wait for each other' : 'each farm goes on by itself',
  ],
  [
    'Failures',
    `${budget.perFarm} of a farm, ${budget.perProfile} of a profile, ${budget.total} in all are borne`,
  ],
  ['A unit that fails', onFailure === 'undo' ? 'is taken back' : 'is held as it is'],
  [
    'New sessions',
    newSessions === 'upgraded-only' ? 'only to what is upgraded' : 'anywhere, and never back',
  ],
  ['Snapshot', snapshot],
  ['Gates', gates.length === 0 ? 'none' : gates.join(', ')],
  ['Approvals', approvals.length === 0 ? 'none' : approvals.join(', ')],
])}</section>`;
}
