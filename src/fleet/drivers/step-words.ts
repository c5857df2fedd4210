import { AppError } from '../../support/errors.ts';
import type { PublicationRef } from '../plan/artefact.ts';
import type { NodeCommand } from '../plan/plan.ts';
import type { NodeFacts, NodeStepState, PhpWorkers } from './ports.ts';

/*
 * What the server and `rookery-step` say to each other; see src/http/step-program/words.sh and docs/decisions/0035. Nothing in it
 * has to be quoted for a shell on its way.
 */

const HEADER = 'rookery-step 1';
const BEGIN = '>>> rookery-step';
const END = /^<<< rookery-step ([0-9]{1,3})$/;

/** `rookery-step 1`, a line `=<word>` for each word, `.`; what is not plain in a word is `\0OOO`, octal, byte by byte. */
export function encodeWords(words: readonly string[]): string {
  return `${[HEADER, ...words.map((word) => `=${encodeWord(word)}`), '.'].join('\n')}\n`;
}

function encodeWord(word: string): string {
  if (word.includes('\0')) {
    throw new AppError(
      'step-refused',
      `The word ${JSON.stringify(word)} cannot be sent to a node.`,
    );
  }
  return word.replaceAll(/[^A-Za-z0-9._/+@,=~%:-]/gu, (one) =>
    [...Buffer.from(one, 'utf8')].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join(''),
  );
}

export interface StepAnswer {
  readonly status: number;
  readonly lines: readonly string[];
}

/**
 * What a node has said, out of whatever else was said around it; a tool in between may have indented it. Undefined when the
 * answer is not there whole.
 */
export function findAnswer(text: string): StepAnswer | undefined {
  const lines = text.split(/\r?\n/);
  const first = lines.findIndex((line) => line.trim() === BEGIN);
  if (first === -1) {
    return undefined;
  }
  const indent = (lines[first] ?? '').indexOf(BEGIN);
  const said: string[] = [];
  let status: number | undefined;
  for (const line of lines.slice(first + 1)) {
    const match = END.exec(line.trim());
    if (match !== null) {
      status = Number(match[1]);
      break;
    }
    said.push(line.slice(0, indent).trim() === '' ? line.slice(indent) : line);
  }
  return status === undefined ? undefined : { status, lines: said };
}

/** The words of a command as `rookery-step` takes them. */
export function commandWords(command: NodeCommand): string[] {
  return [command.name, ...argumentsOf(command)];
}

function argumentsOf(command: NodeCommand): readonly string[] {
  if (command.name === 'check') {
    const { tree, release, publication } = command;
    return [tree ?? '-', release ?? '-', ...(publication === null ? ['-'] : wordsOf(publication))];
  }
  if ('publication' in command) {
    return wordsOf(command.publication);
  }
  if ('tree' in command) {
    return [command.tree.profile, command.tree.id, command.tree.manifest];
  }
  if ('release' in command) {
    return [command.release.release, command.release.digest];
  }
  if ('by' in command) {
    return [command.by];
  }
  return 'services' in command ? command.services : [];
}

function wordsOf(publication: PublicationRef): string[] {
  const { profile, channel, serial, digest, path } = publication;
  return [profile, channel, String(serial), digest, path];
}

/** Undefined when this is no state. */
export function parseState(lines: readonly string[]): NodeStepState | undefined {
  const [first = '', ...rest] = lines;
  const [word, number] = first.split(' ');
  if (word === 'absent' || word === 'interrupted') {
    return { state: word };
  }
  if (number === undefined || !/^[0-9]{1,10}$/.test(number)) {
    return undefined;
  }
  if (word === 'running') {
    return { state: 'running', seconds: Number(number) };
  }
  return word === 'done'
    ? { state: 'done', exitCode: Number(number), output: rest.join('\n').trimEnd() }
    : undefined;
}

/** Undefined when a fact is missing. Facts that this server does not know are passed over. */
export function parseFacts(lines: readonly string[]): NodeFacts | undefined {
  const facts = new Map(
    lines.map((line) => {
      const space = line.indexOf(' ');
      return [line.slice(0, space), line.slice(space + 1)] as const;
    }),
  );
  const bootId = facts.get('boot-id');
  const kernel = facts.get('kernel');
  const web = facts.get('web');
  if (!bootId || !kernel || (web !== 'running' && web !== 'stopped')) {
    return undefined;
  }
  return {
    bootId,
    kernel,
    isWebRunning: web === 'running',
    phpActive: given(facts.get('php')),
    release: given(facts.get('release')),
    mergedTimestamp: numberOf(facts.get('merged')),
    workers: workersOf(facts.get('workers') ?? ''),
  };
}

function given(text: string | undefined): string | null {
  return text === undefined || text === '-' ? null : text;
}

function numberOf(text: string | undefined): number | null {
  return text !== undefined && /^[0-9]{1,12}$/.test(text) ? Number(text) : null;
}

function workersOf(text: string): PhpWorkers | null {
  const match = /^([0-9]{1,9}) ([0-9]{1,9}) ([0-9]{1,9})$/.exec(text);
  return match === null
    ? null
    : { queued: Number(match[1]), idle: Number(match[2]), active: Number(match[3]) };
}
