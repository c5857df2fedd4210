import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import * as z from 'zod';
import { suggestion } from '../gentoo/nearest-word.ts';
import {
  type PolicyChanges,
  policyChangesSchema,
  policySchema,
} from '../protocol/rollout-plans.ts';
import { AppError, messageOf } from '../support/errors.ts';
import { parseToml } from '../support/parse-toml.ts';

/** `budget.per-farm` and what may stand behind it. */
interface PolicyKey {
  /** As the protocol writes it. */
  readonly place: readonly string[];
  readonly schema: z.ZodType;
}

const KEYS = keysOf(policySchema);

/** Every key that `--set` and a policy file take. */
export function policyKeys(): readonly string[] {
  return [...KEYS.keys()];
}

/**
 * What is to be different from the usual policy: a TOML file, and over it each `key=value`. Throws `policy-unreadable`,
 * `policy-key-unknown`, `policy-value-invalid`.
 */
export async function readPolicy(
  file: string | undefined,
  settings: readonly string[],
  cwd: string,
): Promise<PolicyChanges> {
  const changes: Record<string, unknown> = {};
  for (const [key, value] of file === undefined ? [] : await keysOfFile(file, cwd)) {
    put(changes, key, [value]);
  }
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1) {
      throw new AppError(
        'policy-value-invalid',
        `--set takes key=value, such as "budget.total=3", not "${setting}".`,
      );
    }
    put(changes, setting.slice(0, at).trim(), meanings(setting.slice(at + 1).trim()));
  }
  return policyChangesSchema.parse(changes);
}

/** Puts the first of these values that the key takes. `none` means that there is no limit. */
function put(changes: Record<string, unknown>, key: string, values: readonly unknown[]): void {
  const known = KEYS.get(key);
  if (known === undefined) {
    throw new AppError(
      'policy-key-unknown',
      `"${key}" is no key of a policy.${suggestion(key, policyKeys())}`,
      { details: { key } },
    );
  }
  const taken = [...values, ...(values.includes('none') ? [null] : [])].find(
    (value) => known.schema.safeParse(value).success,
  );
  if (taken === undefined) {
    throw new AppError(
      'policy-value-invalid',
      `"${key}" cannot be ${JSON.stringify(values[0])}: it is ${meaningOf(known.schema)}.`,
      { details: { key } },
    );
  }
  const [first = '', second] = known.place;
  changes[first] = second === undefined ? taken : { ...tableOf(changes[first]), [second]: taken };
}

/** What a text on the command line can mean. */
function meanings(text: string): readonly unknown[] {
  const words = text.split(',').map((word) => word.trim());
  return [
    text,
    ...(text === 'true' || text === 'false' ? [text === 'true'] : []),
    ...(isNumber(text) ? [Number(text)] : []),
    text === '' ? [] : words,
    ...(words.every(isNumber) ? [words.map(Number)] : []),
  ];
}

function isNumber(text: string): boolean {
  return /^-?[0-9]+(?:\.[0-9]+)?$/.test(text);
}

async function keysOfFile(file: string, cwd: string): Promise<(readonly [string, unknown])[]> {
  let text: string;
  try {
    text = await readFile(resolve(cwd, file), 'utf8');
  } catch (error) {
    throw new AppError(
      'policy-unreadable',
      `The policy ${file} cannot be read: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  const { value, faults } = parseToml(text, file);
  if (value === undefined) {
    throw new AppError('policy-unreadable', faults.join(' '));
  }
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.entries(inner).map(([below, one]): [string, unknown] => [`${key}.${below}`, one])
      : [[key, inner] as const],
  );
}

function keysOf(schema: z.ZodObject, above: readonly string[] = []): Map<string, PolicyKey> {
  const keys = new Map<string, PolicyKey>();
  for (const [name, inner] of Object.entries(schema.shape)) {
    const place = [...above, name];
    if (inner instanceof z.ZodObject) {
      for (const entry of keysOf(inner, place)) {
        keys.set(...entry);
      }
    } else if (inner instanceof z.ZodType) {
      keys.set(place.map(withHyphens).join('.'), { place, schema: inner });
    }
  }
  return keys;
}

/** `canarySoakSeconds` is `canary-soak-seconds` where people write it. */
export function withHyphens(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function tableOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

/** What a value has to be, in words. */
function meaningOf(schema: z.ZodType): string {
  if (schema instanceof z.ZodEnum) {
    return schema.options.join(' or ');
  }
  if (schema instanceof z.ZodBoolean) {
    return 'true or false';
  }
  if (schema instanceof z.ZodNullable) {
    return 'a whole number from 1 on, or none';
  }
  if (schema instanceof z.ZodReadonly) {
    const list = schema.unwrap();
    const element = list instanceof z.ZodArray ? list.element : undefined;
    return element instanceof z.ZodEnum
      ? `a list of ${element.options.join(', ')}`
      : 'a list of parts above 0 and at most 1, such as 0.01,0.25,1';
  }
  return 'a whole number from 0 on';
}
