import { setImmediate as breathe } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../../support/threads.ts';
import { makePlan } from './make-plan.ts';
import type { RolloutPlan, Stage, Unit } from './plan.ts';
import type { PlanInput, PlanProblem } from './plan-input.ts';

/** For fewer nodes a thread costs more than it brings: planning takes some ten milliseconds. */
const WORTH_NODES = 500;
/** Nodes of one message: some milliseconds of copying. */
const NODES_AT_ONCE = 250;

type Entries<M> =
  M extends ReadonlyMap<string, infer One> ? readonly (readonly [string, One])[] : never;

/** What the thread is told, piece by piece, so that no piece holds anything up. */
export type PlanPart =
  | { readonly kind: 'rest'; readonly rest: Omit<PlanInput, 'observed' | 'installed'> }
  | { readonly kind: 'observed'; readonly entries: Entries<PlanInput['observed']> }
  | { readonly kind: 'installed'; readonly entries: Entries<PlanInput['installed']> }
  | { readonly kind: 'all' };

/** What it answers: either the problems, or the stages in order, and at the end the rest of the plan. */
export type PlanAnswer =
  | { readonly kind: 'problems'; readonly problems: readonly PlanProblem[] }
  | { readonly kind: 'stage'; readonly stage: Omit<Stage, 'units'> }
  | { readonly kind: 'units'; readonly index: number; readonly units: readonly Unit[] }
  | { readonly kind: 'plan'; readonly head: Omit<RolloutPlan, 'stages'> };

type Made = ReturnType<typeof makePlan>;

/** `makePlan` on a thread of its own: a plan for thousands of nodes takes seconds, in which nobody else would be answered. */
export async function makePlanApart(input: PlanInput): Promise<Made> {
  if (input.observed.size < WORTH_NODES) {
    return makePlan(input);
  }
  const thread = startThread(import.meta.url, 'plan-thread');
  try {
    const [made] = await Promise.all([answerOf(thread), tell(thread, input)]);
    return made;
  } finally {
    await thread.terminate();
  }
}

async function tell(thread: Worker, { observed, installed, ...rest }: PlanInput): Promise<void> {
  const post = async (part: PlanPart): Promise<void> => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage(part);
    await breathe();
  };
  await post({ kind: 'rest', rest });
  const nodes = [...observed];
  for (let start = 0; start < nodes.length; start += NODES_AT_ONCE) {
    await post({ kind: 'observed', entries: nodes.slice(start, start + NODES_AT_ONCE) });
  }
  const publications = [...installed];
  for (let start = 0; start < publications.length; start += NODES_AT_ONCE) {
    await post({ kind: 'installed', entries: publications.slice(start, start + NODES_AT_ONCE) });
  }
  await post({ kind: 'all' });
}

async function answerOf(thread: Worker): Promise<Made> {
  const stages: { readonly stage: Omit<Stage, 'units'>; readonly units: Unit[] }[] = [];
  return await new Promise((resolve, reject) => {
    thread.on('message', (answer: PlanAnswer) => {
      switch (answer.kind) {
        case 'problems':
          resolve({ problems: answer.problems });
          break;
        case 'stage':
          stages.push({ stage: answer.stage, units: [] });
          break;
        case 'units':
          stages[answer.index]?.units.push(...answer.units);
          break;
        case 'plan':
          resolve({ plan: withStages(answer.head, stages) });
      }
    });
    thread.on('error', reject);
    thread.on('exit', () => {
      reject(new Error('the thread that makes a plan has ended'));
    });
  });
}

function withStages(
  head: Omit<RolloutPlan, 'stages'>,
  stages: readonly { readonly stage: Omit<Stage, 'units'>; readonly units: readonly Unit[] }[],
): RolloutPlan {
  return { ...head, stages: stages.map(({ stage, units }) => ({ ...stage, units })) };
}
