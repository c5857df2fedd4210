import * as z from 'zod';
import { flattenAtoms, parseDepString } from '../gentoo/dep-string.ts';
import { knownRulesOf } from '../gentoo/eapi.ts';
import { AppError, isAppError } from '../support/errors.ts';
import type { NeededEntry } from './elf/soname-deps.ts';

/** Sonames of one multilib category: `x86_64` and `libc.so.6` ... */
export interface SonameGroup {
  readonly category: string;
  readonly sonames: readonly string[];
}

/** A line of NEEDED. */
export type NeededFile = Pick<NeededEntry, 'path' | 'needed'>;

const SHOWN_CHARACTERS = 100;
const NEEDED_FIELDS = 5;
/** What scanelf writes for no run path. */
const NO_RUNPATH = '  -  ';

/**
 * Checks a dependency string as emerge does (`_emerge/Package.py:_validate_deps`): its brackets and every atom, by
 * the rules of the package's EAPI where it names a known one.
 *
 * Throws `package-invalid-metadata` with the token in the message.
 */
export function checkDependencies(key: string, value: string, eapi: string): void {
  const isKnown = knownRulesOf(eapi) !== undefined;
  const options = isKnown ? { eapi } : { allowsBuildId: true };
  explained(key, () => flattenAtoms(value, 'all', options));
}

/**
 * Checks what an EAPI may not have: a sub-slot in SLOT, defaults in IUSE (`_emerge/Package.py`). An EAPI that is not
 * known may have everything.
 *
 * Throws `package-invalid-metadata`.
 */
export function checkEapi(eapi: string, slot: string, iuse: readonly string[]): void {
  const rules = knownRulesOf(eapi);
  if (rules?.slotOperators === false && slot.includes('/')) {
    throw invalidValue('SLOT', slot, `has, in EAPI ${eapi}, a sub-slot:`);
  }
  const withDefault = iuse.find((word) => /^[+-]/.test(word));
  if (rules?.iuseDefaults === false && withDefault !== undefined) {
    throw invalidValue('IUSE', withDefault, `has, in EAPI ${eapi}, a default:`);
  }
}

/** Checks the brackets and conditionals of LICENSE, PROPERTIES, RESTRICT. Throws `package-invalid-metadata`. */
export function checkWordString(key: string, value: string): void {
  explained(key, () => parseDepString(value));
}

/**
 * REQUIRES and PROVIDES: `x86_64: libc.so.6 libz.so.1 x86_32: ...` (`portage/dep/soname/parse.py`).
 *
 * Throws `package-invalid-metadata`.
 */
export function parseSonames(key: string, value: string): SonameGroup[] {
  const groups = new Map<string, string[]>();
  let current: string[] | undefined;
  for (const word of value.split(' ').filter(Boolean)) {
    if (word.endsWith(':')) {
      const category = word.slice(0, -1);
      if (groups.has(category) || current?.length === 0) {
        throw invalidValue(key, word, 'has a category twice or without a soname, at');
      }
      current = [];
      groups.set(category, current);
    } else if (current === undefined) {
      throw invalidValue(key, word, 'has a soname without a category:');
    } else {
      current.push(word);
    }
  }
  if (current?.length === 0) {
    throw invalidValue(key, value, 'ends with a category that has no soname:');
  }
  return [...groups].map(([category, sonames]) => ({ category, sonames }));
}

/**
 * NEEDED.ELF.2: a line `MACHINE;path;soname;rpath:rpath;needed,needed[;category]` for each ELF file
 * (`portage/util/_dyn_libs/NeededEntry.py`).
 *
 * Throws `package-invalid-metadata`.
 */
export function parseNeededElf(key: string, text: string): NeededEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(';');
      const [machine = '', path = '', soname = '', runpath = '', needed = '', category] = fields;
      if (fields.length < NEEDED_FIELDS) {
        throw invalidValue(key, line, 'has a line with too few fields:');
      }
      return {
        machine,
        path,
        soname,
        runpath: runpath === NO_RUNPATH ? '' : runpath,
        needed: needed.split(',').filter(Boolean),
        category: category === '' ? undefined : category,
      };
    });
}

/** NEEDED: a line `path soname,soname` for each ELF file. A path may hold spaces, and there may be no soname. */
export function parseNeeded(text: string): NeededFile[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const space = line.lastIndexOf(' ');
      const path = space < 0 ? line : line.slice(0, space);
      const needed = space < 0 ? [] : line.slice(space + 1).split(',');
      return { path, needed: needed.filter(Boolean) };
    });
}

const revisionsSchema = z.record(z.string(), z.string());

/** REPO_REVISIONS: a JSON object of repository to revision. Throws `package-invalid-metadata`. */
export function parseRevisions(key: string, value: string): Readonly<Record<string, string>> {
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    throw invalidValue(key, value, 'is no JSON:');
  }
  const parsed = revisionsSchema.safeParse(json);
  if (!parsed.success) {
    throw invalidValue(key, value, 'is no JSON object of texts:');
  }
  return parsed.data;
}

/** `why` ends where the offending value is to stand. */
export function invalidValue(key: string, value: string, why: string): AppError {
  const cut = value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}...` : value;
  return new AppError(
    'package-invalid-metadata',
    `The metadata key ${key} ${why} ${JSON.stringify(cut)}.`,
    { details: { key, value: value.slice(0, SHOWN_CHARACTERS) } },
  );
}

function explained(key: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (!isAppError(error)) {
      throw error;
    }
    const token = error.details['atom'] ?? error.details['word'];
    throw new AppError(
      'package-invalid-metadata',
      `The metadata key ${key} is not valid: ${error.message}`,
      { cause: error, details: { key, ...(token === undefined ? {} : { value: token }) } },
    );
  }
}
