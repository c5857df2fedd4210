import { evaluateAtom, parseAtom } from '../../gentoo/atom.ts';
import {
  type DepNode,
  EMPTY_ANY_OF,
  formatDepString,
  parseDepString,
  useReduce,
} from '../../gentoo/dep-string.ts';
import { AppError } from '../../support/errors.ts';

/** Keys whose conditionals are decided in the index (`portage/dbapi/bintree.py:_pkgindex_use_evaluated_keys`). */
const EVALUATED_KEYS = [
  'BDEPEND',
  'DEPEND',
  'IDEPEND',
  'LICENSE',
  'PDEPEND',
  'PROPERTIES',
  'RDEPEND',
  'RESTRICT',
] as const;
const MAX_REMEMBERED = 50_000;

/** Atoms without conditional USE dependencies are what they are; most occur in many packages. */
const plainAtoms = new Set<string>();

/**
 * Decides the conditionals of dependency strings by the USE of their package, as `_eval_use_flags` does before it
 * writes an entry. Values have their white space folded. Words that the flags leave out have to be atoms too.
 *
 * Throws `invalid-dependency-string`, `invalid-atom`: Portage leaves such a package out.
 */
export function reduceDependencies(
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  const use = new Set((values['USE'] ?? '').split(' '));
  const reduced: Record<string, string> = {};
  for (const key of EVALUATED_KEYS) {
    const value = values[key] ?? '';
    if (value !== '') {
      const isOfAtoms = key.endsWith('DEPEND');
      const nodes = parseDepString(value);
      if (isOfAtoms) {
        decideAll(nodes, use);
      }
      const left = useReduce(nodes, use, { isOfAtoms });
      reduced[key] = formatDepString(isOfAtoms ? decideAll(left, use) : left);
    }
  }
  return { ...values, ...reduced };
}

function decideAll(nodes: readonly DepNode[], use: ReadonlySet<string>): DepNode[] {
  return nodes.map((node) =>
    node.kind === 'word'
      ? { kind: 'word', text: decide(node.text, use) }
      : { ...node, children: decideAll(node.children, use) },
  );
}

function decide(word: string, use: ReadonlySet<string>): string {
  if (word === EMPTY_ANY_OF || plainAtoms.has(word)) {
    return word;
  }
  const atom = parseAtom(word, { allowsBuildId: true });
  if (atom.isWildcard) {
    throw new AppError('invalid-atom', `"${word}" has a wildcard, which no package may depend on.`);
  }
  const decided = evaluateAtom(atom, use);
  if (decided === atom) {
    if (plainAtoms.size >= MAX_REMEMBERED) {
      plainAtoms.clear();
    }
    plainAtoms.add(word);
  }
  return decided.text;
}
