import { AppError } from '../support/errors.ts';

/** A version as PMS 3.2 writes it, revision included, for use inside larger patterns. It has no named groups. */
export const VERSION_SOURCE = '\\d+(?:\\.\\d+)*[a-z]?(?:_(?:pre|p|beta|alpha|rc)\\d*)*(?:-r\\d+)?';

const VERSION =
  /^(?<numbers>\d+(?:\.\d+)*)(?<letter>[a-z]?)(?<suffixes>(?:_(?:pre|p|beta|alpha|rc)\d*)*)(?:-r(?<revision>\d+))?$/;
const SUFFIX = /^(?<name>[a-z]+)(?<number>\d*)$/;
const SUFFIX_RANK: Readonly<Record<string, number>> = { alpha: 0, beta: 1, pre: 2, rc: 3, p: 5 };
/** Where a version that has no further suffix stands among those that have. */
const NO_SUFFIX_RANK = 4;

interface Suffix {
  readonly rank: number;
  readonly number: string;
}

interface Version {
  readonly numbers: readonly string[];
  readonly letter: string;
  readonly suffixes: readonly Suffix[];
  readonly revision: string;
}

export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/**
 * The order of two versions, revisions included (PMS 3.3, algorithms 3.1-3.7; `portage/versions.py:vercmp`):
 * negative, 0 or positive. Different texts may be equal (`1.0` and `1.0-r0`).
 *
 * Throws `invalid-version`.
 */
export function compareVersions(left: string, right: string): number {
  const a = parse(left);
  const b = parse(right);
  if (left === right) {
    return 0;
  }
  return (
    compareNumbers(a.numbers, b.numbers) ||
    compareText(a.letter, b.letter) ||
    compareSuffixes(a.suffixes, b.suffixes) ||
    compareIntegers(a.revision, b.revision)
  );
}

function parse(text: string): Version {
  const groups = VERSION.exec(text)?.groups;
  if (groups === undefined) {
    throw new AppError('invalid-version', `"${text}" is not a version.`, {
      details: { version: text },
    });
  }
  const { numbers = '', letter = '', suffixes = '', revision = '' } = groups;
  return {
    numbers: numbers.split('.'),
    letter,
    suffixes: suffixes.split('_').slice(1).map(parseSuffix),
    revision,
  };
}

function parseSuffix(text: string): Suffix {
  const { name = '', number = '' } = SUFFIX.exec(text)?.groups ?? {};
  return { rank: SUFFIX_RANK[name] ?? NO_SUFFIX_RANK, number };
}

function compareNumbers(left: readonly string[], right: readonly string[]): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index += 1) {
    const a = left[index] ?? '';
    const b = right[index] ?? '';
    const isFraction = index > 0 && (a.startsWith('0') || b.startsWith('0'));
    const order = isFraction ? compareFractions(a, b) : compareIntegers(a, b);
    if (order !== 0) {
      return order;
    }
  }
  return left.length - right.length;
}

function compareSuffixes(left: readonly Suffix[], right: readonly Suffix[]): number {
  const count = Math.max(left.length, right.length);
  for (let index = 0; index < count; index += 1) {
    const a = left[index];
    const b = right[index];
    const order =
      (a?.rank ?? NO_SUFFIX_RANK) - (b?.rank ?? NO_SUFFIX_RANK) ||
      compareIntegers(a?.number ?? '', b?.number ?? '');
    if (order !== 0) {
      return order;
    }
  }
  return 0;
}

/** `.05` against `.1`: as the digits behind a decimal point. */
function compareFractions(left: string, right: string): number {
  return compareText(left.replace(/0+$/, ''), right.replace(/0+$/, ''));
}

/** Digits of any length; none count as 0. */
function compareIntegers(left: string, right: string): number {
  const a = left.replace(/^0+/, '');
  const b = right.replace(/^0+/, '');
  return a.length - b.length || compareText(a, b);
}

function compareText(left: string, right: string): number {
  if (left === right) {
    return 0;
  }
  return left < right ? -1 : 1;
}
