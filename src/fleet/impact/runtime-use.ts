import { parseCpv } from '../../gentoo/cpv.ts';
import type { ObservedNode, RunningService } from '../observed/observed-node.ts';

/** A node as far as it matters what an upgrade does to it. */
export type NodeView = Pick<ObservedNode, 'node' | 'profile' | 'php' | 'system'>;

/** Files of one package that one program has mapped, on however many nodes. */
export interface FileUse {
  readonly program: string;
  /** PHP trees of the processes, for php-fpm of PHP trees; null for the system's own. */
  readonly tree: string | null;
  /** How many nodes have it so. */
  readonly nodes: number;
  /** Path -> how many nodes have it mapped. */
  readonly files: ReadonlyMap<string, number>;
}

interface Count {
  readonly program: string;
  readonly tree: string | null;
  readonly files: Map<string, number>;
  nodes: number;
  /** The number of the node that was counted last. */
  last: number;
}

/** What runs on nodes with the same packages: who has which file mapped, and which PHP trees lie there. */
export class RuntimeUse {
  /** CPV -> program and tree -> count. */
  readonly #byCpv = new Map<string, Map<string, Count>>();
  readonly #byName = new Map<string, string[]>();
  readonly #trees = new Map<string, { readonly requires: Set<string>; nodes: number }>();
  readonly #programs = new Map<string, Count>();
  readonly #silent: string[] = [];

  constructor(nodes: readonly NodeView[]) {
    for (const [at, { node, php, system }] of nodes.entries()) {
      for (const { id, requires } of new Map(
        php.resident.map((tree) => [tree.id, tree]),
      ).values()) {
        const known = this.#trees.get(id) ?? { requires: new Set(), nodes: 0 };
        known.requires.add(requires);
        known.nodes += 1;
        this.#trees.set(id, known);
      }
      for (const service of system?.services ?? []) {
        this.#count(service, at);
      }
      if (system === null) {
        this.#silent.push(node);
      }
    }
    this.#silent.sort();
    for (const cpv of this.#byCpv.keys()) {
      const { category, pn } = parseCpv(cpv);
      const name = `${category}/${pn}`;
      this.#byName.set(name, [...(this.#byName.get(name) ?? []), cpv]);
    }
  }

  /** Nodes that do not say what runs on them, by name. */
  get silent(): readonly string[] {
    return this.#silent;
  }

  /** Resident PHP trees by id, with their REQUIRES and on how many nodes they lie. */
  get trees(): ReadonlyMap<
    string,
    { readonly requires: ReadonlySet<string>; readonly nodes: number }
  > {
    return this.#trees;
  }

  /** Every program that runs as a service, on how many nodes; by name and tree. */
  get programs(): readonly Pick<FileUse, 'program' | 'tree' | 'nodes'>[] {
    return sorted(this.#programs.values());
  }

  /**
   * Who has files of a package mapped. A file of a build that is gone (`isInstalled` says so) counts for the package
   * of its name: the process will go on with what it has, and its next restart takes what is there then.
   */
  usersOf(
    { cpv, name }: { readonly cpv: string; readonly name: string },
    isInstalled: (cpv: string) => boolean,
  ): readonly FileUse[] {
    const others = (this.#byName.get(name) ?? []).filter(
      (other) => other !== cpv && !isInstalled(other),
    );
    const found = [cpv, ...others].flatMap((one) => [...(this.#byCpv.get(one)?.values() ?? [])]);
    return sorted(found);
  }

  #count(service: RunningService, at: number): void {
    const { name: program, tree, files } = service;
    const key = `${program} ${tree ?? ''}`;
    counted(this.#programs, key, { program, tree }, at);
    for (const { path, cpv } of files) {
      if (cpv !== null) {
        let users = this.#byCpv.get(cpv);
        if (users === undefined) {
          users = new Map();
          this.#byCpv.set(cpv, users);
        }
        const use = counted(users, key, { program, tree }, at);
        use.files.set(path, (use.files.get(path) ?? 0) + 1);
      }
    }
  }
}

function counted(
  uses: Map<string, Count>,
  key: string,
  who: { readonly program: string; readonly tree: string | null },
  at: number,
): Count {
  let use = uses.get(key);
  if (use === undefined) {
    use = { ...who, files: new Map(), nodes: 0, last: -1 };
    uses.set(key, use);
  }
  if (use.last !== at) {
    use.last = at;
    use.nodes += 1;
  }
  return use;
}

function sorted<T extends Pick<FileUse, 'program' | 'tree'>>(uses: Iterable<T>): T[] {
  const key = ({ program, tree }: T): string => `${program} ${tree ?? ''}`;
  return [...uses].toSorted((a, b) => Number(key(a) > key(b)) - Number(key(a) < key(b)));
}
