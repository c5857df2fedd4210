import type { PlanUnderWayView } from '../protocol/rollouts.ts';
import { type Clock, sleep } from '../support/clock.ts';
import { isAppError } from '../support/errors.ts';
import { formatStopwatch } from './format.ts';
import type { Output } from './output.ts';
import type { ServerClient } from './server-client.ts';
import { createBlock } from './terminal-block.ts';

const LOOK_MS = 1000;

const WORDS: Readonly<Record<PlanUnderWayView['doing'], string>> = {
  reading: 'reading what is known of the nodes',
  planning: 'making the plan',
  writing: 'writing it down',
};

/** Says how far a plan is that takes longer than a second: on a terminal in place, elsewhere a line for each thing that is done. */
export async function watchPlanning<T>(
  work: Promise<T>,
  wanted: { readonly kind: string; readonly targets: readonly string[] },
  parts: { readonly client: ServerClient; readonly output: Output; readonly clock: Clock },
): Promise<T> {
  const over = new AbortController();
  const watching = look(wanted, parts, over.signal);
  try {
    return await work;
  } finally {
    over.abort();
    await watching;
  }
}

async function look(
  wanted: { readonly kind: string; readonly targets: readonly string[] },
  {
    client,
    output,
    clock,
  }: { readonly client: ServerClient; readonly output: Output; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const block = output.terminal === undefined ? undefined : createBlock(output.terminal);
  const since = clock.now();
  let told = '';
  await sleep(LOOK_MS, signal);
  while (!signal.aborted) {
    const words = wordsOf(await ownPlan(client, wanted, signal));
    if (signal.aborted) {
      break;
    }
    if (block !== undefined) {
      block.draw([`${words}, ${formatStopwatch(clock.now() - since)}`]);
    } else if (words !== told) {
      output.note(words);
    }
    told = words;
    await sleep(LOOK_MS, signal);
  }
  block?.end([]);
}

function wordsOf(plan: PlanUnderWayView | undefined): string {
  if (plan === undefined) {
    return 'The server plans';
  }
  const nodes = plan.nodes === 0 ? '' : ` for ${plan.nodes} nodes`;
  return `The server plans${nodes}: ${WORDS[plan.doing]}`;
}

/** Another server may be the one that plans, or this one may be too old to say it: then nobody knows more. */
async function ownPlan(
  client: ServerClient,
  { kind, targets }: { readonly kind: string; readonly targets: readonly string[] },
  signal: AbortSignal,
): Promise<PlanUnderWayView | undefined> {
  try {
    const all = await client.plansUnderWay(signal);
    return all.findLast((one) => one.kind === kind && one.targets.join(' ') === targets.join(' '));
  } catch (error) {
    if (signal.aborted || isAppError(error)) {
      return undefined;
    }
    throw error;
  }
}
