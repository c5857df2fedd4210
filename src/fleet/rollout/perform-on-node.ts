import { isAppError, messageOf } from '../../support/errors.ts';
import type { NodeFacts, NodeStep, NodeStepState } from '../drivers/ports.ts';
import type { Member } from '../inventory/inventory.ts';
import type { NodeCommand } from '../plan/plan.ts';
import { nodeStepId, type Place } from './unit-actions.ts';
import { type Intent, OK, type Outcome, Poll, type UnitScene } from './unit-scene.ts';

/** The end of what a node said, as the journal keeps it. */
const MOST_OUTPUT = 2000;

/**
 * Has one node do one command, at most once, and finds out what became of it. The node is asked by the id of the step; a
 * node that does not answer is asked again until the deadline: until then nothing is known, and nothing is assumed.
 */
export async function performOnNode(
  scene: UnitScene,
  place: Place,
  { member, command }: { readonly member: Member; readonly command: NodeCommand },
  intent: Intent,
): Promise<Outcome> {
  const step: NodeStep = {
    id: nodeStepId(scene.plan.id, place, member.node),
    command,
    timeoutSeconds: place.step.timeoutSeconds,
    rollout: scene.plan.id,
  };
  return command.name === 'reboot'
    ? await reboot(scene, member, step, intent)
    : await runStep(scene, member, step, intent);
}

async function runStep(
  scene: UnitScene,
  member: Member,
  step: NodeStep,
  intent: Intent,
): Promise<Outcome> {
  const poll = new Poll(scene);
  const asking = new StepQuestion(scene, member, step, intent.isResumed);
  for (;;) {
    const state = await asking.ask();
    if (typeof state !== 'string' && state.state === 'done') {
      return toOutcome(state);
    }
    if (typeof state !== 'string' && state.state === 'refused') {
      return { outcome: 'refused', output: state.because };
    }
    const isLost = typeof state !== 'string' && ['interrupted', 'lost'].includes(state.state);
    const resolved = isLost ? await byFacts(scene, member, step.command) : undefined;
    if (resolved !== undefined) {
      return resolved;
    }
    if (scene.context.time.now() >= intent.deadline) {
      return {
        outcome: 'unknown',
        output:
          typeof state === 'string' ? state : `${member.node} is still at it, or does not know.`,
      };
    }
    await poll.wait(intent.deadline);
  }
}

type Asked =
  | NodeStepState
  | { readonly state: 'refused'; readonly because: string }
  /** It was taken on, and the node knows nothing of it any more. */
  | { readonly state: 'lost' };

/** Starts a step and asks for it. A string: why nothing is known at the moment. */
class StepQuestion {
  readonly #scene: UnitScene;
  readonly #member: Member;
  readonly #step: NodeStep;
  #isAsked: boolean;
  #isTaken = false;

  constructor(scene: UnitScene, member: Member, step: NodeStep, isResumed: boolean) {
    this.#scene = scene;
    this.#member = member;
    this.#step = step;
    this.#isAsked = isResumed;
  }

  async ask(): Promise<Asked | string> {
    const { nodes } = this.#scene.context.drivers;
    try {
      if (!this.#isAsked) {
        this.#isAsked = true;
        await nodes.start(this.#member, this.#step);
        this.#isTaken = true;
      }
      const state = await nodes.state(this.#member, this.#step.id);
      if (state.state !== 'absent') {
        this.#isTaken = true;
        return state;
      }
      if (this.#isTaken) {
        return { state: 'lost' };
      }
      // It never got there. The same id again is safe whenever the first one arrives.
      await nodes.start(this.#member, this.#step);
      this.#isTaken = true;
      return 'it was only now taken on';
    } catch (error) {
      if (isAppError(error, 'step-refused')) {
        return { state: 'refused', because: messageOf(error) };
      }
      if (isAppError(error, 'node-unreachable')) {
        return messageOf(error);
      }
      throw error;
    } finally {
      this.#scene.signal.throwIfAborted();
    }
  }
}

function toOutcome(state: Extract<NodeStepState, { state: 'done' }>): Outcome {
  const output = state.output.slice(-MOST_OUTPUT);
  return state.exitCode === 0
    ? { ...OK, output }
    : { outcome: 'failed', output: `exit code ${state.exitCode}: ${output}` };
}

/** What serves there now decides whether a step that was interrupted has done its work. Undefined: no answer yet. */
async function byFacts(
  scene: UnitScene,
  member: Member,
  command: NodeCommand,
): Promise<Outcome | undefined> {
  const facts = await lookAt(scene, member);
  if (facts === undefined) {
    return undefined;
  }
  return (await isDone(scene, command, facts))
    ? { ...OK, output: 'It was interrupted; what is there shows that it had done its work.' }
    : {
        outcome: 'failed',
        output: `${command.name} on ${member.node} was interrupted, and what is there does not show that it had done its work.`,
      };
}

async function isDone(
  { context }: UnitScene,
  command: NodeCommand,
  facts: NodeFacts,
): Promise<boolean> {
  switch (command.name) {
    case 'stop-web':
      return !facts.isWebRunning;
    case 'start-web':
      return facts.isWebRunning;
    case 'activate-php':
      return facts.phpActive === command.tree.id;
    case 'activate-release':
      return facts.release === command.release.release;
    case 'merge': {
      const timestamp = await context.timestampOf(command.publication);
      return timestamp !== null && facts.mergedTimestamp === timestamp;
    }
    default:
      return false;
  }
}

async function lookAt(scene: UnitScene, member: Member): Promise<NodeFacts | undefined> {
  try {
    return await scene.context.drivers.nodes.look(member);
  } catch (error) {
    if (isAppError(error, 'node-unreachable')) {
      return undefined;
    }
    throw error;
  } finally {
    scene.signal.throwIfAborted();
  }
}

/** A reboot has happened when the boot id is another one than before: what was before is written down first. */
async function reboot(
  scene: UnitScene,
  member: Member,
  step: NodeStep,
  intent: Intent,
): Promise<Outcome> {
  const { time } = scene.context;
  const before = await bootIdBefore(scene, member, intent);
  if (before === undefined) {
    return { outcome: 'refused', output: `${member.node} did not answer before its reboot.` };
  }
  const poll = new Poll(scene);
  // Without a note nothing was started: it is written before.
  const asking = new StepQuestion(scene, member, step, intent.row.note !== null);
  for (;;) {
    const state = await asking.ask();
    if (typeof state !== 'string' && state.state === 'refused') {
      return { outcome: 'refused', output: state.because };
    }
    if (typeof state !== 'string' && state.state === 'done' && state.exitCode !== 0) {
      return toOutcome(state);
    }
    const facts = await lookAt(scene, member);
    if (facts !== undefined && facts.bootId !== before) {
      return OK;
    }
    if (time.now() >= intent.deadline) {
      return {
        outcome: 'unknown',
        output: `${member.node} ${facts === undefined ? 'has not come back' : 'was not restarted'}.`,
      };
    }
    await poll.wait(intent.deadline);
  }
}

/** Undefined when the node did not answer in time. */
async function bootIdBefore(
  scene: UnitScene,
  member: Member,
  { row, deadline }: Intent,
): Promise<string | undefined> {
  if (row.note !== null) {
    return row.note;
  }
  const poll = new Poll(scene);
  for (;;) {
    const facts = await lookAt(scene, member);
    if (facts !== undefined) {
      await scene.ledger.write({ ended: [{ row, change: { note: facts.bootId } }] });
      return facts.bootId;
    }
    if (scene.context.time.now() >= deadline) {
      return undefined;
    }
    await poll.wait(deadline);
  }
}
