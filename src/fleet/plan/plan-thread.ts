/** Runs in the thread of `makePlanApart`. */
import { parentPort } from 'node:worker_threads';
import { makePlan } from './make-plan.ts';
import type { PlanAnswer, PlanPart } from './make-plan-apart.ts';
import type { RolloutPlan } from './plan.ts';
import type { PlanInput } from './plan-input.ts';

/** Units of one message. */
const UNITS_AT_ONCE = 200;

let rest: Omit<PlanInput, 'observed' | 'installed'> | undefined;
const observed: Extract<PlanPart, { kind: 'observed' }>['entries'][number][] = [];
const installed: Extract<PlanPart, { kind: 'installed' }>['entries'][number][] = [];

parentPort?.on('message', (part: PlanPart) => {
  switch (part.kind) {
    case 'rest':
      rest = part.rest;
      break;
    case 'observed':
      observed.push(...part.entries);
      break;
    case 'installed':
      installed.push(...part.entries);
      break;
    case 'all':
      answer();
  }
});

function answer(): void {
  if (rest === undefined) {
    throw new Error('a plan is to be made of nothing');
  }
  const made = makePlan({ ...rest, observed: new Map(observed), installed: new Map(installed) });
  if ('problems' in made) {
    post({ kind: 'problems', problems: made.problems });
  } else {
    postPlan(made.plan);
  }
}

function postPlan({ stages, ...head }: RolloutPlan): void {
  for (const [index, { units, ...stage }] of stages.entries()) {
    post({ kind: 'stage', stage });
    for (let start = 0; start < units.length; start += UNITS_AT_ONCE) {
      post({ kind: 'units', index, units: units.slice(start, start + UNITS_AT_ONCE) });
    }
  }
  post({ kind: 'plan', head });
}

function post(message: PlanAnswer): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(message);
}
