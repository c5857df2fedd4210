import { AppError } from '../support/errors.ts';
import { type Atom, type AtomOptions, evaluateAtom, parseAtom } from './atom.ts';
import { rulesOf } from './eapi.ts';
import { isUseFlag } from './use-dependency.ts';
import { foldWhitespace } from './whitespace.ts';

/**
 * One item of a dependency string (PMS 8.2). Items side by side all have to hold. The words of LICENSE, RESTRICT and
 * the like are read in the same way, so a word is any text.
 */
export type DepNode =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'all-of'; readonly children: readonly DepNode[] }
  | { readonly kind: 'any-of'; readonly children: readonly DepNode[] }
  | {
      readonly kind: 'conditional';
      readonly flag: string;
      /** `!flag?` */
      readonly isNegated: boolean;
      readonly children: readonly DepNode[];
    };

/** What Portage puts for `|| ( )` in EAPI 7 and later: nothing satisfies it (`portage/dep:use_reduce`). */
export const EMPTY_ANY_OF = '__const__/empty-any-of';

const UNSATISFIABLE: DepNode = { kind: 'word', text: EMPTY_ANY_OF };

/** Fifty times what the longest of real packages has; each level of brackets costs the time of a copy. */
const MAX_LENGTH = 1024 * 1024;
const MAX_DEPTH = 100;
const PIECE = 4096;

/**
 * Reads a dependency string into a tree.
 *
 * Throws `invalid-dependency-string` with the number of the word at fault.
 */
export function parseDepString(text: string): DepNode[] {
  if (text.length > MAX_LENGTH) {
    throw new AppError(
      'invalid-dependency-string',
      `The dependency string has ${text.length} characters, more than ${MAX_LENGTH}.`,
    );
  }
  const words = foldWhitespace(text).split(' ').filter(Boolean);
  const reader: Reader = { words, position: 0 };
  const nodes = readGroup(reader, 0);
  if (reader.position < words.length) {
    throw fault(reader, 'there is no "(" before it');
  }
  return nodes;
}

/**
 * Removes the conditionals, given the flags that are on, and every bracket that says nothing, as
 * `portage/dep:use_reduce`. With `all` every conditional holds.
 *
 * Throws `invalid-dependency-string`, `unknown-eapi`.
 */
export function useReduce(
  dependencies: string | readonly DepNode[],
  use: ReadonlySet<string> | 'all',
  options: {
    readonly eapi?: string;
    /** The words are atoms: Portage leaves some more brackets between those. */
    readonly isOfAtoms?: boolean;
  } = {},
): readonly DepNode[] {
  const nodes = typeof dependencies === 'string' ? parseDepString(dependencies) : dependencies;
  const { eapi, isOfAtoms = false } = options;
  const emptyAnyOfHolds = eapi !== undefined && rulesOf(eapi).emptyAnyOfHolds;
  return reduceAll(nodes, { use, emptyAnyOfHolds, isOfAtoms }, false);
}

/** The tree as text (`portage/dep:paren_enclose`). */
export function formatDepString(nodes: readonly DepNode[]): string {
  return nodes.map(formatNode).join(' ');
}

/**
 * Every atom that may be needed, in order, alternatives of `||` included, each once; conditional USE dependencies
 * are decided by the flags too. With `all` every conditional holds and they are left as they are. Words that the flags
 * leave out have to be atoms too.
 *
 * Throws `invalid-dependency-string`, `invalid-atom`, `unknown-eapi`.
 */
export function flattenAtoms(
  dependencies: string | readonly DepNode[],
  use: ReadonlySet<string> | 'all' = 'all',
  options: AtomOptions = {},
): Atom[] {
  const nodes = typeof dependencies === 'string' ? parseDepString(dependencies) : dependencies;
  const parsed = new Map<string, Atom>();
  for (const word of wordsOf(nodes)) {
    if (!parsed.has(word)) {
      parsed.set(word, parseDependency(word, options));
    }
  }
  const atoms = new Map<string, Atom>();
  for (const word of wordsOf(useReduce(nodes, use, options))) {
    const atom = word === EMPTY_ANY_OF ? undefined : parsed.get(word);
    if (atom !== undefined) {
      const decided = use === 'all' ? atom : evaluateAtom(atom, use);
      atoms.set(decided.text, decided);
    }
  }
  return [...atoms.values()];
}

function parseDependency(word: string, options: AtomOptions): Atom {
  const atom = parseAtom(word, options);
  if (atom.isWildcard) {
    throw new AppError(
      'invalid-atom',
      `"${word}" has a wildcard, which no package may depend on.`,
      {
        details: { atom: word },
      },
    );
  }
  return atom;
}

interface Reader {
  readonly words: readonly string[];
  position: number;
}

/** Reads up to the bracket that closes the group, or to the end for the outermost. */
function readGroup(reader: Reader, depth: number): DepNode[] {
  if (depth > MAX_DEPTH) {
    throw fault(reader, `brackets are nested more than ${MAX_DEPTH} deep`);
  }
  const nodes: DepNode[] = [];
  for (;;) {
    const word = reader.words[reader.position];
    if (word === undefined || word === ')') {
      return nodes;
    }
    nodes.push(readNode(reader, word, depth));
  }
}

function readNode(reader: Reader, word: string, depth: number): DepNode {
  if (word === '(') {
    return { kind: 'all-of', children: readBrackets(reader, depth) };
  }
  if (word === '||') {
    reader.position += 1;
    return { kind: 'any-of', children: readBrackets(reader, depth) };
  }
  if (word.endsWith('?')) {
    const isNegated = word.startsWith('!');
    const flag = word.slice(isNegated ? 1 : 0, -1);
    if (!isUseFlag(flag)) {
      throw fault(reader, `"${flag}" is not a USE flag`);
    }
    reader.position += 1;
    return { kind: 'conditional', flag, isNegated, children: readBrackets(reader, depth) };
  }
  if (word === '->') {
    throw fault(reader, 'only SRC_URI may have an arrow');
  }
  reader.position += 1;
  return { kind: 'word', text: word };
}

function readBrackets(reader: Reader, depth: number): DepNode[] {
  if (reader.words[reader.position] !== '(') {
    throw fault(reader, '"(" has to stand here');
  }
  reader.position += 1;
  if (reader.words[reader.position] === ')') {
    throw fault(reader, 'the brackets are empty');
  }
  const children = readGroup(reader, depth + 1);
  if (reader.words[reader.position] !== ')') {
    throw fault(reader, '")" is missing');
  }
  reader.position += 1;
  return children;
}

function fault(reader: Reader, sentence: string): AppError {
  const word = reader.words[reader.position];
  const shown = (word ?? '').slice(0, 200);
  const place = word === undefined ? 'At its end' : `At word ${reader.position + 1}, "${shown}",`;
  return new AppError(
    'invalid-dependency-string',
    `The dependency string is not valid. ${place} ${sentence}.`,
    { details: { position: reader.position + 1, word: shown } },
  );
}

interface Reduction {
  readonly use: ReadonlySet<string> | 'all';
  readonly emptyAnyOfHolds: boolean;
  readonly isOfAtoms: boolean;
}

/** `isWithin`: a `||` around these nodes keeps brackets that would say nothing elsewhere. */
function reduceAll(
  nodes: readonly DepNode[],
  reduction: Reduction,
  isWithin: boolean,
): readonly DepNode[] {
  const reduced: DepNode[] = [];
  for (const node of nodes) {
    if (node.kind === 'word') {
      reduced.push(node);
    } else if (node.kind === 'any-of') {
      append(reduced, reduceAnyOf(node.children, reduction, isWithin));
    } else if (node.kind === 'all-of' || isActive(node, reduction.use)) {
      const inner = reaches(node, reduced, isWithin, reduction);
      append(reduced, reduceAll(node.children, reduction, inner));
    }
  }
  return reduced;
}

/** Whether the `||` around a group counts inside it. A word before the group hides it, an atom does not. */
function reaches(
  node: DepNode,
  before: readonly DepNode[],
  isWithin: boolean,
  { isOfAtoms }: Reduction,
): boolean {
  return isWithin && (isOfAtoms || node.kind !== 'all-of' || before.at(-1)?.kind !== 'word');
}

function reduceAnyOf(
  nodes: readonly DepNode[],
  reduction: Reduction,
  isWithin: boolean,
): readonly DepNode[] {
  const alternatives = alternativesOf(nodes, reduction);
  const [only] = alternatives;
  if (only === undefined) {
    return reduction.emptyAnyOfHolds ? [] : [UNSATISFIABLE];
  }
  if (alternatives.length > 1) {
    return [{ kind: 'any-of', children: alternatives }];
  }
  return only.kind === 'all-of' && !isWithin ? only.children : [only];
}

/** The alternatives of one `||`: those of a `||` inside are its own. */
function alternativesOf(nodes: readonly DepNode[], reduction: Reduction): DepNode[] {
  const alternatives: DepNode[] = [];
  for (const node of nodes) {
    if (node.kind === 'word') {
      alternatives.push(node);
    } else if (node.kind === 'any-of') {
      const inner = alternativesOf(node.children, reduction);
      const isUnsatisfiable = inner.length === 0 && !reduction.emptyAnyOfHolds;
      append(
        alternatives,
        isUnsatisfiable ? [{ kind: 'all-of', children: [UNSATISFIABLE] }] : inner,
      );
    } else if (node.kind === 'all-of' || isActive(node, reduction.use)) {
      const isWithin = reaches(node, alternatives, true, reduction);
      append(alternatives, alternativeOf(reduceAll(node.children, reduction, isWithin)));
    }
  }
  return alternatives;
}

function alternativeOf(items: readonly DepNode[]): readonly DepNode[] {
  const [only] = items;
  if (only === undefined) {
    return [];
  }
  if (items.length > 1) {
    return [{ kind: 'all-of', children: items }];
  }
  return only.kind === 'any-of' ? only.children : [only];
}

/** In pieces: `push` takes as many arguments as the stack holds, and a hostile group has more members. */
function append(nodes: DepNode[], more: readonly DepNode[]): void {
  for (let at = 0; at < more.length; at += PIECE) {
    nodes.push(...more.slice(at, at + PIECE));
  }
}

function isActive(
  { flag, isNegated }: { readonly flag: string; readonly isNegated: boolean },
  use: ReadonlySet<string> | 'all',
): boolean {
  return use === 'all' || use.has(flag) !== isNegated;
}

function formatNode(node: DepNode): string {
  if (node.kind === 'word') {
    return node.text;
  }
  const brackets = `( ${formatDepString(node.children)} )`;
  if (node.kind === 'conditional') {
    return `${node.isNegated ? '!' : ''}${node.flag}? ${brackets}`;
  }
  return node.kind === 'any-of' ? `|| ${brackets}` : brackets;
}

function wordsOf(nodes: readonly DepNode[], words: string[] = []): readonly string[] {
  for (const node of nodes) {
    if (node.kind === 'word') {
      words.push(node.text);
    } else {
      wordsOf(node.children, words);
    }
  }
  return words;
}
