import { messageOf } from '../support/errors.ts';
import { parseAtom } from './atom.ts';

export interface SetFile {
  /** Atoms and `@set`s, in order, each once. */
  readonly atoms: readonly string[];
  /** A sentence for each line that is wrong. */
  readonly faults: readonly string[];
}

/** How a package set may be called, without `@`. */
export const SET_NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/;

/**
 * Reads a package set as Portage does (`portage/_sets/files.py:StaticFileSet`, `portage/env/loaders.py:ItemFileLoader`):
 * one atom or `@set` a line; lines that begin with `#` and empty ones are passed over. Portage drops what follows the
 * first word of a line in silence; here only a comment may follow.
 */
export function parseSetFile(text: string, file: string): SetFile {
  const atoms = new Set<string>();
  const faults: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const [word = '', next = '#'] = line.trim().split(/\s+/);
    if (word === '' || word.startsWith('#')) {
      continue;
    }
    const fault = next.startsWith('#')
      ? faultInSetEntry(word)
      : `"${next}" cannot stand behind "${word}": one atom a line.`;
    if (fault === undefined) {
      atoms.add(word);
    } else {
      faults.push(`${file}, line ${index + 1}: ${fault}`);
    }
  }
  return { atoms: [...atoms], faults };
}

function faultInSetEntry(word: string): string | undefined {
  if (word.startsWith('@')) {
    return SET_NAME_PATTERN.test(word.slice(1)) ? undefined : `"${word}" is not the name of a set.`;
  }
  try {
    const atom = parseAtom(word);
    return atom.blocker !== '' || atom.isWildcard
      ? `"${word}" cannot stand in a set: no blockers, no wildcards.`
      : undefined;
  } catch (error) {
    return messageOf(error);
  }
}
