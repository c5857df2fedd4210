import { type Finding, findingOf } from './finding.ts';
import type { Universe } from './universe.ts';

/**
 * What nodes have that is no package and needs libraries all the same: a publication must not take them away. The names
 * are those of PHP trees.
 */
export interface Consumer {
  readonly name: string;
  /** Sonames with their category: `x86_64: libssl.so.3`. */
  readonly requires: readonly string[];
  /** Nodes that have it, as they reported. */
  readonly nodes: readonly string[];
}

const SHOWN = 3;

/** What these would not find among the packages of a publication and on the base system. */
export function consumerFindings(
  consumers: readonly Consumer[],
  universe: Pick<Universe, 'isProvided' | 'otherVersion'>,
): Finding[] {
  return consumers.flatMap((one) =>
    one.requires
      .filter((soname) => !universe.isProvided(soname))
      .map((soname) => missing(one, soname, universe.otherVersion(soname))),
  );
}

function missing({ name, nodes }: Consumer, soname: string, other: string | undefined): Finding {
  const [category = '', file = ''] = soname.split(': ');
  const where =
    nodes.length === 0 ? '' : `, which ${listed(nodes)} ${nodes.length === 1 ? 'has' : 'have'},`;
  const instead =
    other === undefined ? 'which nothing provides' : `and there is only ${other.split(': ')[1]}`;
  return findingOf({
    kind: 'php-soname-missing',
    cpv: '',
    name,
    what: soname,
    message: `The PHP tree ${name}${where} needs the library ${file} (${category}), ${instead}.`,
    remedy:
      'Keep the package that has it as long as nodes have the tree, import a tree built against what is there, or declare it in base-system of the profile.',
  });
}

function listed(nodes: readonly string[]): string {
  const first = nodes.slice(0, SHOWN).join(', ');
  return nodes.length > SHOWN ? `${first} and ${nodes.length - SHOWN} more` : first;
}
