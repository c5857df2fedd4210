import { MAX_INDEX } from './inventory-document.ts';

/** A member as a pattern or a plain name says it; the index is null for a name that does not end in a number. */
export interface NamedMember {
  readonly name: string;
  readonly index: number | null;
}

const PATTERN = /^(?<before>[^[\]]*)\[(?<ranges>[^[\]]*)\](?<after>[^[\]]*)$/;
const RANGE = /^(?<first>[0-9]{1,2})(?:-(?<last>[0-9]{1,2}))?$/;

type Expansion =
  | { readonly members: readonly NamedMember[]; readonly fault: undefined }
  | { readonly members: readonly []; readonly fault: string };

/**
 * The members of `web7-[01-08,10-16]`: one for each number, which is its index; numbers are as wide as the first of their
 * range is written. A text without brackets is the name of one member, whose index is the number at its end.
 *
 * `fault` is the end of a sentence that begins with `it`.
 */
export function expandMembers(pattern: string): Expansion {
  if (!/[[\]]/.test(pattern)) {
    return { members: [{ name: pattern, index: endNumber(pattern) }], fault: undefined };
  }
  const { before, ranges, after } = PATTERN.exec(pattern)?.groups ?? {};
  if (before === undefined || ranges === undefined || after === undefined) {
    return { members: [], fault: 'has to have one pair of brackets, as in "web7-[01-16]"' };
  }
  const members: NamedMember[] = [];
  for (const range of ranges.split(',')) {
    const { numbers, fault } = expandRange(range.trim());
    if (fault !== undefined) {
      return { members: [], fault };
    }
    members.push(
      ...numbers.map((number) => ({ name: before + number + after, index: Number(number) })),
    );
  }
  return { members, fault: undefined };
}

/** The number that a name ends in, when it can be an index. */
function endNumber(name: string): number | null {
  const number = Number(/[0-9]+$/.exec(name)?.[0] ?? 0);
  return number >= 1 && number <= MAX_INDEX ? number : null;
}

function expandRange(
  range: string,
):
  | { readonly numbers: readonly string[]; readonly fault: undefined }
  | { readonly numbers: readonly []; readonly fault: string } {
  const { first, last = first } = RANGE.exec(range)?.groups ?? {};
  if (first === undefined || last === undefined || Number(first) < 1) {
    const fault = `has "${range}" in its brackets, which is no number or range from 1 to ${MAX_INDEX} such as "01-16"`;
    return { numbers: [], fault };
  }
  if (Number(last) < Number(first)) {
    return { numbers: [], fault: `has the range "${range}", which ends before it begins` };
  }
  const count = Number(last) - Number(first) + 1;
  const numbers = Array.from({ length: count }, (_, step) =>
    String(Number(first) + step).padStart(first.length, '0'),
  );
  return { numbers, fault: undefined };
}

const PLACEHOLDER = /\{(?<name>[a-z]*)(?<offset>[+-][0-9]{1,5})?\}|[{}]/g;
export const PLACEHOLDERS = ['name', 'farm', 'site', 'index'] as const;

/** What stands for a member in a text such as `10.1.7.{index+100}`. */
export interface PlaceholderValues {
  readonly name: string;
  readonly farm: string;
  readonly site: string;
  readonly index: number;
}

/** `unknown`: the first thing in braces that stands for nothing. */
export function fillIn(
  template: string,
  values: Partial<PlaceholderValues>,
): { readonly text: string; readonly unknown: string | undefined } {
  let unknown: string | undefined;
  const text = template.replaceAll(PLACEHOLDER, (whole, name?: string, offset?: string) => {
    const value = PLACEHOLDERS.some((one) => one === name)
      ? Object.entries(values).find(([key]) => key === name)?.[1]
      : undefined;
    if (value === undefined || (offset !== undefined && typeof value !== 'number')) {
      unknown ??= whole;
      return whole;
    }
    return String(typeof value === 'number' ? value + Number(offset ?? 0) : value);
  });
  return { text, unknown };
}
