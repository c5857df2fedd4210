import type { z } from 'zod';
import { nearestWord, suggestion } from './nearest-word.ts';

/** Keys that may stand in each table of a document, by the table's dotted path; `''` is the document itself. */
export type DocumentKeys = Readonly<Record<string, readonly string[]>>;

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const MAX_SHOWN = 120;

/**
 * What is wrong with a document, a sentence for each value at fault, with its file, key and value, and the key or word that
 * was probably meant. `nameOf` may give a value another name than its key, such as the variable that it came from.
 */
export function describeFaults(
  error: z.core.$ZodError,
  document: unknown,
  place: {
    readonly file: string;
    readonly keys: DocumentKeys;
    readonly nameOf?: (path: string) => string | undefined;
  },
): string[] {
  const named = new Set<string>();
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownKey(issue.path, key, document, place));
    }
    const path = formatPath(issue.path);
    if (named.has(path)) {
      return [];
    }
    named.add(path);
    const value = valueAt(document, issue.path);
    const name = place.nameOf?.(path) ?? `${place.file}: ${path}`;
    if (value === undefined) {
      return [`${name} is missing; it ${ruleOf(issue)}.`];
    }
    return [`${name} = ${show(value)}: it ${ruleOf(issue)}.${meant(issue, value)}`];
  });
}

/** A value as it may stand in a sentence. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}...`;
}

function unknownKey(
  path: Path,
  key: string,
  document: unknown,
  { file, keys }: { readonly file: string; readonly keys: DocumentKeys },
): string {
  const table = formatPath(path);
  const known = keys[table] ?? [];
  const fullName = table === '' ? key : `${table}.${key}`;
  const elsewhere = Object.keys(keys).find((other) => keys[other]?.includes(key));
  const nearest = nearestWord(key, known);
  const hint =
    nearest === undefined && elsewhere !== undefined
      ? ` "${key}" belongs ${elsewhere === '' ? 'to the top of the file' : `into [${elsewhere}]`}.`
      : suggestion(key, known) || ` Known here: ${known.join(', ')}.`;
  return `${file}: ${fullName} = ${show(valueAt(document, [...path, key]))}: there is no such key.${hint}`;
}

/** The end of a sentence that begins with `it`. */
function ruleOf(issue: Issue): string {
  if (issue.code === 'invalid_type') {
    return `has to be ${typeName(issue.expected)}`;
  }
  if (issue.code === 'invalid_value') {
    return `has to be ${issue.values.map((one) => show(one)).join(' or ')}`;
  }
  return issue.message;
}

function meant(issue: Issue, value: unknown): string {
  if (typeof value !== 'string') {
    return '';
  }
  if (issue.code === 'invalid_value') {
    return suggestion(value, issue.values.map(String));
  }
  // The only unions of tables are told apart by a word; the rule quotes all of them.
  const quoted = issue.code === 'invalid_union' ? [...issue.message.matchAll(/"([^"]+)"/g)] : [];
  return suggestion(
    value,
    quoted.map(([, word = '']) => word),
  );
}

function typeName(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    string: 'a text in quotes',
    array: 'a list',
    object: 'a table',
    record: 'a table',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
  };
  return names[expected] ?? expected;
}

function formatPath(path: Path): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`,
    )
    .join('');
}

function valueAt(document: unknown, path: Path): unknown {
  let value = document;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) {
      return undefined;
    }
    const inner: unknown = Reflect.get(value, part);
    value = inner;
  }
  return value;
}
