import type { PackageMetadata } from '../binpkg/metadata.ts';
import { type DepNode, parseDepString } from '../gentoo/dep-string.ts';
import { AppError } from '../support/errors.ts';

/** Of LICENSE: PMS 3.1.7. */
const LICENSE = /^[A-Za-z0-9_][A-Za-z0-9+_.-]*$/;
/** Of RESTRICT and PROPERTIES, which have no grammar of their own for a word. */
const TOKEN = /^[+-]?[A-Za-z0-9_][A-Za-z0-9+_.-]*$/;
/** `amd64`, `~amd64`, `-amd64`, `-*`, `*`, `~*`, `**`. */
const KEYWORD = /^(?:-?\*|~\*|\*\*|[-~]?[A-Za-z0-9_][A-Za-z0-9_-]*)$/;
const MAX_SHOWN = 100;

/**
 * Looks at every word of LICENSE, RESTRICT, PROPERTIES and KEYWORDS; the dependencies and the other keys have been
 * checked by `readMetadata`.
 *
 * Throws `package-invalid-metadata` (details: cpv, key, value).
 */
export function checkWords({
  cpv,
  license,
  restrict,
  properties,
  keywords,
}: PackageMetadata): void {
  const refuse = (key: string, word: string | undefined): void => {
    if (word !== undefined) {
      const value = word.slice(0, MAX_SHOWN);
      throw new AppError(
        'package-invalid-metadata',
        `${cpv} has "${value}" in ${key}, where it cannot stand.`,
        { details: { cpv, key, value } },
      );
    }
  };
  refuse('LICENSE', wrongWord(parseDepString(license), LICENSE));
  for (const [key, text] of [
    ['RESTRICT', restrict],
    ['PROPERTIES', properties],
  ] as const) {
    const nodes = parseDepString(text);
    refuse(key, hasAnyOf(nodes) ? '||' : wrongWord(nodes, TOKEN));
  }
  refuse(
    'KEYWORDS',
    keywords.find((word) => !KEYWORD.test(word)),
  );
}

function wrongWord(nodes: readonly DepNode[], form: RegExp): string | undefined {
  for (const node of nodes) {
    if (node.kind !== 'word') {
      const inside = wrongWord(node.children, form);
      if (inside !== undefined) {
        return inside;
      }
    } else if (!form.test(node.text)) {
      return node.text;
    }
  }
  return undefined;
}

/** Only LICENSE may have alternatives (PMS 8.2, table). */
function hasAnyOf(nodes: readonly DepNode[]): boolean {
  return nodes.some(
    (node) => node.kind === 'any-of' || (node.kind !== 'word' && hasAnyOf(node.children)),
  );
}
