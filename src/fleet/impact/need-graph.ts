import type { ElfObject, ImpactPackage } from './impact-package.ts';

/** Something that serves requests, and what it needs first. */
export interface Root {
  /** As in a sentence: "php-fpm", "the PHP tree 8.2.36-zen3-r1". */
  readonly label: string;
  /** `<multilib category>: <soname>`. */
  readonly requires: readonly string[];
}

/** How a package is reached from a root. */
export interface Reached {
  readonly soname: string;
  readonly label: string;
  /** What needs the soname, when it is not the root itself: a CPV. */
  readonly through: string | null;
}

/** Who provides what among packages of both sides of a merge: what is installed, and what will be. */
export class NeedGraph {
  readonly #providers = new Map<string, { one: ImpactPackage; object: ElfObject }[]>();

  constructor(packages: Iterable<ImpactPackage>) {
    for (const one of packages) {
      for (const object of one.objects) {
        for (const soname of object.provides) {
          const list = this.#providers.get(soname) ?? [];
          list.push({ one, object });
          this.#providers.set(soname, list);
        }
      }
    }
  }

  /** Every package that provides a soname which a root needs, or a provider of one, and so on. */
  reachedFrom(roots: readonly Root[]): ReadonlyMap<ImpactPackage, Reached> {
    const reached = new Map<ImpactPackage, Reached>();
    const seen = new Set<string>();
    const queue: Reached[] = [];
    const enqueue = (sonames: readonly string[], from: Omit<Reached, 'soname'>): void => {
      for (const soname of sonames) {
        if (!seen.has(soname)) {
          seen.add(soname);
          queue.push({ soname, ...from });
        }
      }
    };
    for (const { label, requires } of roots) {
      enqueue(requires, { label, through: null });
    }
    for (const step of queue) {
      for (const { one, object } of this.#providers.get(step.soname) ?? []) {
        if (!reached.has(one)) {
          reached.set(one, step);
        }
        enqueue(object.requires, { label: step.label, through: one.gate.cpv });
      }
    }
    return reached;
  }
}

/**
 * What a process needs that has these files of a package mapped, of that package or of the one that takes its place: what
 * the files need, or those with their sonames. Where they are not known one by one, what all of the package needs.
 */
export function needsOfFiles(
  one: ImpactPackage,
  paths: readonly string[],
  mappedOf: ImpactPackage = one,
): readonly string[] {
  const objects: ElfObject[] = [];
  for (const path of paths) {
    const sonames = new Set(objectsAt(mappedOf, path).flatMap(({ provides }) => provides));
    const same = objectsAt(one, path);
    const named = one.objects.filter(({ provides }) => provides.some((name) => sonames.has(name)));
    const found = same.length > 0 ? same : named;
    if (found.length === 0) {
      return requiredBy(one.objects);
    }
    objects.push(...found);
  }
  return requiredBy(objects);
}

function requiredBy(objects: readonly ElfObject[]): readonly string[] {
  return [...new Set(objects.flatMap(({ requires }) => requires))].toSorted();
}

/** `/lib64` is `/usr/lib64` on a merged system, and a package may have been built for either. */
function objectsAt({ objects }: ImpactPackage, path: string): readonly ElfObject[] {
  const other = path.startsWith('/usr/') ? path.slice('/usr'.length) : `/usr${path}`;
  return objects.filter((object) => object.path === path || object.path === other);
}
