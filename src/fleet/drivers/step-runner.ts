import { AppError } from '../../support/errors.ts';
import type { Member } from '../inventory/inventory.ts';
import type { AdminState } from '../plan/plan.ts';
import type { NodeFacts, NodeRunner, NodeStep, NodeStepState } from './ports.ts';
import {
  commandWords,
  encodeWords,
  findAnswer,
  parseFacts,
  parseState,
  type StepAnswer,
} from './step-words.ts';

/** A way to a node. */
export interface NodeChannel {
  /**
   * Gives `rookery-step words` on the node these words, and returns all that was said. Whatever is sent may be sent twice.
   * Throws `node-unreachable`.
   */
  send(member: Member, words: string): Promise<string>;
  /** Ends connections that were kept. */
  close(): Promise<void>;
}

/** What a node tells balancers that ask it for its health. */
export interface NodeHealth {
  readonly told: AdminState;
  /** How long it has told so; 0 when it tells nothing. */
  readonly seconds: number;
  readonly isWebRunning: boolean;
}

/** Speaks with `rookery-step` over a channel, which is all that ssh and other tools differ in. */
export class StepRunner implements NodeRunner {
  readonly #channel: NodeChannel;

  constructor(channel: NodeChannel) {
    this.#channel = channel;
  }

  async start(member: Member, step: NodeStep): Promise<void> {
    const limits = ['--timeout', String(step.timeoutSeconds), '--rollout', step.rollout];
    const words = ['start', step.id, ...limits, ...commandWords(step.command)];
    const answer = await this.#ask(member, words);
    if (answer.status !== 0) {
      throw new AppError(
        'step-refused',
        `${member.node} does not take the step ${step.id}: ${lastOf(answer)}`,
        { details: { node: member.node, step: step.id, status: answer.status } },
      );
    }
  }

  async state(member: Member, stepId: string): Promise<NodeStepState> {
    return await this.#read(member, ['state', stepId], parseState);
  }

  async look(member: Member): Promise<NodeFacts> {
    return await this.#read(member, ['look'], parseFacts);
  }

  /** @param to - what to tell from now on; absent: only asks. Throws `node-unreachable`. */
  async health(member: Member, to?: AdminState): Promise<NodeHealth> {
    return await this.#read(member, ['health', ...(to === undefined ? [] : [to])], parseHealth);
  }

  async close(): Promise<void> {
    await this.#channel.close();
  }

  async #read<T>(
    member: Member,
    words: readonly string[],
    parse: (lines: readonly string[]) => T | undefined,
  ): Promise<T> {
    const answer = await this.#ask(member, words);
    const found = answer.status === 0 ? parse(answer.lines) : undefined;
    if (found === undefined) {
      throw unreachable(member, `rookery-step ${words.join(' ')} says ${lastOf(answer)}`);
    }
    return found;
  }

  async #ask(member: Member, words: readonly string[]): Promise<StepAnswer> {
    const said = await this.#channel.send(member, encodeWords(words));
    const answer = findAnswer(said);
    if (answer === undefined) {
      const shown = JSON.stringify(said.trim().slice(-300));
      throw unreachable(member, `there is no whole answer of rookery-step, only ${shown}`);
    }
    return answer;
  }
}

export function unreachable(member: Member, why: string): AppError {
  return new AppError('node-unreachable', `${member.node} gives no answer: ${why}`, {
    details: { node: member.node },
  });
}

function lastOf({ lines, status }: StepAnswer): string {
  const line =
    lines.findLast((text) => text.trim() !== '')?.trim() ?? `nothing, and ends with ${status}`;
  return line.replace(/^rookery-step: /, '');
}

function parseHealth(lines: readonly string[]): NodeHealth | undefined {
  const text = lines.join('\n');
  const [, word, seconds] = /^health (ready|drain|maint) ([0-9]{1,10})$/m.exec(text) ?? [];
  const [, web] = /^web (running|stopped)$/m.exec(text) ?? [];
  const told = ADMIN_STATES.find((state) => state === word);
  return told === undefined || web === undefined
    ? undefined
    : { told, seconds: Number(seconds), isWebRunning: web === 'running' };
}

const ADMIN_STATES = ['ready', 'drain', 'maint'] as const;
