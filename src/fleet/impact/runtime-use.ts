import { parseCpv } from '../../gentoo/cpv.ts';
import type { ObservedNode, ResidentTree, RunningService } from '../observed/observed-node.ts';

/** A node as far as it matters what an upgrade does to it. */
export type NodeView = Pick<ObservedNode, 'node' | 'profile' | 'php' | 'system'>;

/** Files of one package that one program has mapped, on however many nodes. */
export interface FileUse {
  readonly program: string;
  /** For php-fpm of a PHP tree: which. */
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
  /** The group of nodes that was counted last. */
  last: number;
}

/** What runs on nodes with the same packages: who has which file mapped, and which PHP trees lie there. */
export class RuntimeUse {
  /** CPV -> program and tree -> count. */
  readonly #byCpv = new Map<string, Map<string, Count>>();
  readonly #byName = new Map<string, string[]>();
  readonly #trees = new Map<string, { readonly requires: Set<string>; nodes: number }>();
  readonly #silent: string[] = [];

  /** Nodes that say the same often share one list of services and of trees: such a list is looked at once. */
  constructor(nodes: readonly NodeView[]) {
    const services = new Map<readonly RunningService[], number>();
    const resident = new Map<readonly ResidentTree[], number>();
    for (const { node, php, system } of nodes) {
      resident.set(php.resident, (resident.get(php.resident) ?? 0) + 1);
      if (system === null || system.isPartial === true) {
        this.#silent.push(node);
      }
      if (system !== null) {
        services.set(system.services, (services.get(system.services) ?? 0) + 1);
      }
    }
    this.#silent.sort();
    for (const [trees, count] of resident) {
      this.#countTrees(trees, count);
    }
    for (const [at, [list, count]] of [...services].entries()) {
      for (const service of list) {
        this.#countService(service, { at, count });
      }
    }
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

  #countTrees(trees: readonly ResidentTree[], count: number): void {
    const byId = new Map<string, Set<string>>();
    for (const { id, requires } of trees) {
      byId.set(id, (byId.get(id) ?? new Set()).add(requires));
    }
    for (const [id, texts] of byId) {
      const known = this.#trees.get(id) ?? { requires: new Set(), nodes: 0 };
      known.nodes += count;
      for (const text of texts) {
        known.requires.add(text);
      }
      this.#trees.set(id, known);
    }
  }

  #countService(service: RunningService, nodes: Share): void {
    const { name: program, tree, files } = service;
    const key = `${program} ${tree ?? ''}`;
    for (const { path, cpv } of files) {
      if (cpv !== null) {
        const users = this.#byCpv.get(cpv) ?? new Map<string, Count>();
        this.#byCpv.set(cpv, users);
        const use = users.get(key) ?? { program, tree, files: new Map(), nodes: 0, last: -1 };
        users.set(key, use);
        if (use.last !== nodes.at) {
          use.last = nodes.at;
          use.nodes += nodes.count;
        }
        use.files.set(path, (use.files.get(path) ?? 0) + nodes.count);
      }
    }
  }
}

/** Nodes with the same services: which of such groups it is, and how many they are. */
interface Share {
  readonly at: number;
  readonly count: number;
}

function sorted<T extends Pick<FileUse, 'program' | 'tree'>>(uses: Iterable<T>): T[] {
  const key = ({ program, tree }: T): string => `${program} ${tree ?? ''}`;
  return [...uses].toSorted((a, b) => Number(key(a) > key(b)) - Number(key(a) < key(b)));
}
