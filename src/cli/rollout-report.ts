import type { PackageImpactView, PolicyView, StepOutline } from '../protocol/rollout-plans.ts';
import type {
  RolloutDetail,
  RolloutStateView,
  RolloutSummary,
  UnitStateView,
  WaitReasonView,
} from '../protocol/rollouts.ts';
import { counted, formatAge, formatDuration, formatTime } from './format.ts';
import { type Color, harmless, type Output } from './output.ts';

const SHORT = 12;
const MOST_PACKAGES = 40;

export const STATE_COLORS: Readonly<Record<RolloutStateView, Color>> = {
  draft: 'dim',
  running: 'cyan',
  paused: 'yellow',
  aborting: 'yellow',
  aborted: 'red',
  done: 'green',
  'done-with-held': 'yellow',
  discarded: 'dim',
};

/** The first digits of a plan's id: enough to name it. */
export function shortId(id: string): string {
  return id.slice(0, SHORT);
}

/** A rollout in words: what it brings to whom, in which order, how each unit is done and undone, and what to know before. */
export function showRollout(
  rollout: RolloutDetail,
  { output, now }: { readonly output: Output; readonly now: number },
): void {
  const { plan } = rollout;
  const say = (text: string): void => {
    output.line(harmless(text, 'keep-colors'));
  };
  say(`${output.paint('bold', rollout.id)}  ${rollout.kind}  ${stateWords(rollout, output)}`);
  say(`${rollout.reason}  (${rollout.createdBy}, ${formatAge(rollout.createdAt, now)})`);
  say(`brings ${rollout.targets.join(', ')}`);
  say(
    `to ${counted(rollout.nodes, 'node')} of ${counted(rollout.farms, 'farm')}, in ${counted(rollout.stages, 'stage')}`,
  );
  if (rollout.reverses !== null) {
    say(`takes back ${rollout.reverses}`);
  }
  say(`units: ${unitWords(rollout.units)}`);
  section(
    say,
    output,
    'Before you start',
    plan.remarks.map((remark) => `- ${remark}`),
  );
  showImpact(plan.impact, { output, say });
  output.line();
  output.table(
    ['STAGE', 'TYPE', 'UNITS', 'FARMS', 'WATCHED', 'WHAT'].map((title) => ({ title })),
    plan.stages.map(({ id, type, units, soakSeconds, title }) => [
      id === rollout.stage ? `> ${id}` : `  ${id}`,
      type,
      String(units.length),
      String(new Set(units.map(({ farm }) => farm)).size),
      soakSeconds === 0 ? '-' : formatDuration(soakSeconds * 1000),
      title,
    ]),
  );
  for (const { title, steps } of ways(plan)) {
    section(say, output, title, steps.map(stepLine));
  }
  section(say, output, 'Policy', policyLines(plan.policy));
  section(say, output, 'Approvals', approvalLines(rollout));
}

/** Lists of steps, each once: those that differ in names only are shown by the first of them. */
function ways({ stages, procedures }: RolloutDetail['plan']) {
  const found = new Map<string, { first: string; count: number; steps: readonly StepOutline[] }>();
  for (const unit of stages.flatMap(({ units }) => units)) {
    const steps = procedures[unit.procedure] ?? [];
    const key = steps.map(({ id, phase }) => `${id} ${phase}`).join('\n');
    const way = found.get(key) ?? { first: unit.id, count: 0, steps };
    way.count += 1;
    found.set(key, way);
  }
  return [...found.values()].map(({ first, count, steps }) => ({
    title: count === 1 ? `How ${first} is done` : `How ${count} units are done, such as ${first}`,
    steps,
  }));
}

function section(
  say: (text: string) => void,
  output: Output,
  title: string,
  lines: readonly string[],
): void {
  if (lines.length > 0) {
    output.line();
    say(output.paint('bold', title));
    for (const line of lines) {
      say(line);
    }
  }
}

function stepLine(
  { id, words, timeoutSeconds, undo, isFinal }: StepOutline,
  place: number,
): string {
  const way = undo.length === 0 ? '' : `; back: ${undo.join(', ')}`;
  const back = isFinal ? '; from here on no way back' : way;
  return `${String(place + 1).padStart(3)}  ${id}: ${words} (at most ${formatDuration(timeoutSeconds * 1000)})${back}`;
}

/** Those that make the upgrade what it is first; those without an effect are counted. */
function showImpact(
  impact: readonly PackageImpactView[],
  { output, say }: { readonly output: Output; readonly say: (text: string) => void },
): void {
  if (impact.length === 0) {
    return;
  }
  const notable = impact.filter(({ effect }) => effect !== 'none');
  const lines = notable.slice(0, MOST_PACKAGES).map(({ name, from, to, effect, reasons }) => {
    const versions = `${from ?? 'nothing'} -> ${to ?? 'nothing'}`;
    return `- ${name} (${versions}): ${effect}. ${reasons.join(' ')}`;
  });
  const more = notable.length - MOST_PACKAGES;
  section(say, output, 'What the packages do', [
    ...lines,
    ...(more > 0 ? [`- and ${counted(more, 'more package')}`] : []),
    `${counted(impact.length - notable.length, 'package')} without an effect on what serves`,
  ]);
}

function policyLines(policy: PolicyView): string[] {
  const { limits, budget, barrier, onFailure, approvals, gates } = policy;
  const most = [
    [limits.total, 'in all'],
    [limits.perSite, 'of a site'],
    [limits.perRack, 'of a rack'],
    [limits.perBinhost, 'that fetch from the farm'],
  ].flatMap(([limit, words]) => (limit === null ? [] : [`${limit} ${words}`]));
  return [
    `at the same time: ${most.length === 0 ? 'as many as the farms can spare' : `at most ${most.join(', ')}`}`,
    `between stages: ${barrier === 'strict' ? 'all farms wait for each other' : 'each farm goes on by itself'}`,
    `failures that are borne: ${budget.perFarm} of a farm, ${budget.perProfile} of a profile, ${budget.total} in all; canaries none`,
    `a unit that fails ${onFailure === 'undo' ? 'is taken back' : 'is held as it is'}`,
    `gates: ${gates.length === 0 ? 'none' : gates.join(', ')}; a yes is needed: ${approvals.length === 0 ? 'never' : approvals.join(', ')}`,
  ];
}

function approvalLines({ approvals, missingApprovals, id, state }: RolloutDetail): string[] {
  return [
    ...approvals.map(({ of, by, at }) => `${of}: ${by}, ${formatTime(at)}`),
    ...missingApprovals.map((of) => `${of}: missing; rookery rollout approve ${shortId(id)} ${of}`),
    ...(state === 'draft' && missingApprovals.length === 0
      ? [`it can begin: rookery rollout start ${shortId(id)}`]
      : []),
  ];
}

export function stateWords(
  { state, because }: Pick<RolloutSummary, 'state' | 'because'>,
  output: Output,
): string {
  const word = output.paint(STATE_COLORS[state], state);
  return because === null ? word : `${word}: ${because}`;
}

/** `4 done, 1 running, 7 waiting` */
export function unitWords(units: Readonly<Record<UnitStateView, number>>): string {
  const order: readonly UnitStateView[] = [
    'done',
    'running',
    'undoing',
    'waiting',
    'undone',
    'held',
    'skipped',
  ];
  return order
    .filter((state) => units[state] > 0)
    .map((state) => `${units[state]} ${state}`)
    .join(', ');
}

export function waitLine({ sentence, unit, until }: WaitReasonView): string {
  const where = unit === null ? '' : `${unit}: `;
  return `${where}${sentence}${until === null ? '' : ` (until ${formatTime(until)})`}`;
}

export function showUnits(rollout: RolloutDetail, output: Output): void {
  const nodes = new Map(
    rollout.plan.stages.flatMap(({ units }) => units).map((unit) => [unit.id, unit.nodes]),
  );
  output.line();
  output.table(
    ['UNIT', 'STATE', 'STEP', 'TOOK', 'NODES', 'BECAUSE'].map((title) => ({ title })),
    rollout.unitRecords.map(({ unit, state, step, startedAt, endedAt, because }) => [
      unit,
      state,
      step ?? '-',
      startedAt === null || endedAt === null ? '-' : formatDuration(endedAt - startedAt),
      (nodes.get(unit) ?? []).join(' '),
      because ?? '',
    ]),
  );
}
