import * as z from 'zod';
import { suggestion } from '../../gentoo/nearest-word.ts';
import { NAME_PATTERN } from '../../gentoo/profile.ts';

export interface Fault {
  /** Where, such as `atoms[0]`; empty for the whole. */
  readonly path: string;
  /** A sentence. */
  readonly message: string;
}

type Issue = z.core.$ZodIssue;
type Part = 'body' | 'query';

const MOST_FAULTS = 20;
const SHOWN = 80;
const OTHER_FORM = 'has another form than is taken here';

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

/** What the patterns of the protocol ask for, by their text. */
const PATTERNS: Readonly<Record<string, string>> = {
  '/^[0-9a-f]{128}$/': 'has to be a SHA512 in 128 hexadecimal digits, small letters',
  '/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/':
    'has to be a name of at most 64 letters, digits, dots, underscores and hyphens',
  '/^[a-z0-9][a-z0-9._-]{0,63}(?:@[1-9][0-9]{0,14})?$/':
    'has to be a channel such as "testing", or a publication of it such as "testing@12"',
  [String(NAME_PATTERN)]:
    'has to be a name of at most 64 small letters, digits, dots, underscores and hyphens',
};

/**
 * What is wrong with the body or query of a call, a sentence for each value at fault. The sentences name the field
 * and the value, shortened; no word of a schema reaches them.
 */
export function describeIssues(
  issues: readonly Issue[],
  part: Part,
  { value, schema }: { readonly value: unknown; readonly schema: z.ZodType },
): Fault[] {
  return issues.slice(0, MOST_FAULTS).map((issue) => ({
    path: pathText(issue.path),
    message: sentenceOf(issue, part, { value, schema }),
  }));
}

function sentenceOf(
  issue: Issue,
  part: Part,
  { value, schema }: { readonly value: unknown; readonly schema: z.ZodType },
): string {
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const known = path === '' && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    const where = path === '' ? `The ${part}` : `"${shortened(path)}" of the ${part}`;
    return `${where} takes no ${show(key)}.${suggestion(key, known)}`;
  }
  const found = valueAt(value, issue.path);
  if (path === '') {
    return `The ${part} ${ruleOf(issue)}.`;
  }
  return found === undefined
    ? `The ${part} lacks "${shortened(path)}": it ${ruleOf(issue)}.`
    : `"${shortened(path)}" of the ${part} is ${show(found)}: it ${ruleOf(issue)}.`;
}

/** The end of a sentence that begins with what is at fault. */
function ruleOf(issue: Issue): string {
  if (issue.code === 'invalid_type') {
    return `has to be ${TYPES[issue.expected] ?? 'of another kind'}`;
  }
  if (issue.code === 'invalid_value') {
    return `has to be ${issue.values.map(show).join(' or ')}`;
  }
  if (issue.code === 'too_small') {
    return `has to ${bound(issue.origin, 'at least', Number(issue.minimum))}`;
  }
  if (issue.code === 'too_big') {
    return `has to ${bound(issue.origin, 'at most', Number(issue.maximum))}`;
  }
  if (issue.code === 'invalid_format') {
    return PATTERNS[issue.pattern ?? ''] ?? OTHER_FORM;
  }
  return issue.code === 'custom' ? issue.message : OTHER_FORM;
}

function bound(origin: string, words: 'at least' | 'at most', limit: number): string {
  if (origin === 'string') {
    return `have ${words} ${limit} ${limit === 1 ? 'character' : 'characters'}`;
  }
  if (origin === 'array' || origin === 'set') {
    return `have ${words} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  }
  return `be ${words} ${limit}`;
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`,
    )
    .join('');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) {
      return undefined;
    }
    const inner: unknown = Reflect.get(found, step);
    found = inner;
  }
  return found;
}

function show(value: unknown): string {
  return shortened(
    typeof value === 'string'
      ? JSON.stringify(value.slice(0, SHOWN * 2))
      : (JSON.stringify(value) ?? String(value)),
  );
}

/** One line, without what could do something to a terminal or turn the text around. */
function shortened(text: string): string {
  const whole = text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
  return whole.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
}
