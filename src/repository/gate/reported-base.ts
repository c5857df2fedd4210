import { setImmediate } from 'node:timers/promises';
import { type BasePackage, type BaseSystem, NO_BASE_SYSTEM } from '../../gentoo/base-system.ts';
import { sonamesIn } from '../../gentoo/soname-list.ts';
import type { InstalledPackage } from '../proof/node-report.ts';
import { installedIn, reportKeys } from '../proof/node-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { buildsAmong } from './gate-store.ts';

/** Reports that are older than this say nothing about today's nodes. */
export const REPORTED_WITHIN_MS = 30 * 24 * 3_600_000;

/** A package as the gate looks at it. */
type Installed = Pick<InstalledPackage, 'cpv' | 'slot' | 'buildId' | 'use' | 'iuse' | 'provides'>;
type SeveralInstalled = readonly [Installed, ...Installed[]];

/** What is known of the reports of a profile. */
interface Reports {
  /** By digest, the contents of the reports that count: packages by `cpv:slot`. */
  readonly contents: Map<string, ReadonlyMap<string, Installed>>;
  /** Each package once, by all that it says. */
  readonly packages: Map<string, Installed>;
}

/**
 * What every node that has reported of late has installed, beside what this repository has given it. What was read is
 * remembered by its digest: of a fleet of equal nodes one report is read, and again only when something else comes.
 */
export class ReportedBase {
  readonly #context: Pick<RepositoryContext, 'database' | 'clock' | 'locks'>;
  readonly #onRead: (node: string) => void;
  readonly #profiles = new Map<string, Reports>();

  constructor(
    context: Pick<RepositoryContext, 'database' | 'clock' | 'locks'>,
    onRead: (node: string) => void = () => undefined,
  ) {
    this.#context = context;
    this.#onRead = onRead;
  }

  async of(profile: string): Promise<BaseSystem> {
    return await this.#context.locks.run(`repository-reported:${profile}`, async () => {
      const reports = this.#profiles.get(profile) ?? { contents: new Map(), packages: new Map() };
      this.#profiles.set(profile, reports);
      await this.#bringUpToDate(profile, reports);
      const onAll = await onEveryNode(reports);
      return onAll.length === 0 ? NO_BASE_SYSTEM : await this.#withoutOurs(profile, onAll);
    });
  }

  async #bringUpToDate(profile: string, reports: Reports): Promise<void> {
    const { database, clock } = this.#context;
    const { contents } = reports;
    const since = clock.now() - REPORTED_WITHIN_MS;
    let isComplete = false;
    while (!isComplete) {
      const keys = await reportKeys(database, profile, since);
      const counting = new Set(keys.map(({ content }) => content));
      for (const content of [...contents.keys()].filter((one) => !counting.has(one))) {
        contents.delete(content);
      }
      isComplete = true;
      for (const key of keys.filter(({ content }) => !contents.has(content))) {
        const installed = contents.has(key.content)
          ? undefined
          : await installedIn(database, profile, key);
        if (installed !== undefined) {
          this.#onRead(key.node);
          contents.set(key.content, readContent(reports, installed));
        }
        // A node that has reported anew in between: once more.
        isComplete &&= contents.has(key.content);
      }
    }
    forgetUnused(reports);
  }

  /** What this repository has given the nodes is in its publications, or is not there for the next node. */
  async #withoutOurs(profile: string, onAll: readonly SeveralInstalled[]): Promise<BaseSystem> {
    const built = onAll.filter((same) => same.some(({ buildId }) => buildId !== null));
    const ours = await buildsAmong(
      this.#context.database,
      profile,
      built.map(([{ cpv }]) => cpv),
    );
    const common = onAll.filter((same) =>
      same.every(({ cpv, buildId }) => !ours.has(`${cpv} ${buildId}`)),
    );
    const sonames = common.flatMap((same) =>
      inAll(same.map(({ provides }) => sonamesIn(provides))),
    );
    return { packages: common.map(basePackageOf), sonames: [...new Set(sonames)] };
  }
}

function readContent(
  { packages }: Reports,
  installed: readonly InstalledPackage[],
): ReadonlyMap<string, Installed> {
  const content = new Map<string, Installed>();
  for (const { cpv, slot, buildId, use, iuse, provides } of installed) {
    const one = { cpv, slot, buildId, use, iuse, provides };
    const text = textOf(one);
    const known = packages.get(text) ?? one;
    packages.set(text, known);
    content.set(`${cpv}:${slot}`, known);
  }
  return content;
}

function textOf({ cpv, slot, buildId, use, iuse, provides }: Installed): string {
  return JSON.stringify([cpv, slot, buildId, use, iuse, provides]);
}

function forgetUnused({ contents, packages }: Reports): void {
  const used = new Set([...contents.values()].flatMap((content) => [...content.values()]));
  if (packages.size > used.size) {
    for (const [text, one] of packages) {
      if (!used.has(one)) {
        packages.delete(text);
      }
    }
  }
}

/** What is there everywhere: the different ways it was built in. */
async function onEveryNode({ contents }: Reports): Promise<SeveralInstalled[]> {
  const [first, ...others] = contents.values();
  const common = new Map<string, Set<Installed>>();
  for (const [name, one] of first ?? []) {
    common.set(name, new Set([one]));
  }
  for (const content of others) {
    for (const [name, same] of common) {
      const one = content.get(name);
      if (one === undefined) {
        common.delete(name);
      } else {
        same.add(one);
      }
    }
    await setImmediate();
  }
  return [...common]
    .toSorted(([a], [b]) => Number(a > b) - Number(a < b))
    .map(([, same]) => listOf(same));
}

function listOf(same: ReadonlySet<Installed>): SeveralInstalled {
  const [first, ...others] = same;
  if (first === undefined) {
    throw new Error('a package of no node');
  }
  return [first, ...others];
}

/** A flag that is on here and off there is neither in `use`, but in `iuse`. */
function basePackageOf(same: SeveralInstalled): BasePackage {
  const [{ cpv, slot }] = same;
  const on = same.map(({ use }) => words(use));
  const offered = same.flatMap(({ iuse }) => (iuse === undefined ? [] : [words(iuse)]));
  const use = inAll(on);
  if (offered.length < same.length) {
    return { cpv, slot, use };
  }
  // USE has flags too that every package has without saying so, such as the architecture.
  const iuse = [...new Set([...on, ...offered].flat().map((flag) => flag.replace(/^[+-]/, '')))];
  const somewhere = new Set(on.flat());
  const off = iuse.filter((flag) => !somewhere.has(flag));
  return {
    cpv,
    slot,
    use: [...use, ...off.toSorted().map((flag) => `-${flag}`)],
    iuse: iuse.toSorted(),
  };
}

/** Words that stand in every list, sorted. */
function inAll(lists: readonly (readonly string[])[]): string[] {
  const [first = [], ...others] = lists;
  const sets = others.map((list) => new Set(list));
  return [...new Set(first)].filter((word) => sets.every((set) => set.has(word))).toSorted();
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}
