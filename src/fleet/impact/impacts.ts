import { setImmediate } from 'node:timers/promises';
import type { Database } from '../../database/database.ts';
import { type BaseSystem, NO_BASE_SYSTEM } from '../../gentoo/base-system.ts';
import type { ProfileCatalog } from '../../gentoo/profile.ts';
import { chunksOf, packagesById } from '../../repository/package-store.ts';
import { requirePublication } from '../../repository/promote-channel.ts';
import { isBuild } from '../../repository/proof/compare-installed.ts';
import type { InstalledPackage } from '../../repository/proof/node-report.ts';
import { installedIn } from '../../repository/proof/node-store.ts';
import { choicesOfSnapshot } from '../../repository/snapshot-store.ts';
import { digestOf } from '../../support/digests.ts';
import { AppError } from '../../support/errors.ts';
import type { Locks } from '../../support/locks.ts';
import type { ObservedNode } from '../observed/observed-node.ts';
import type { PublicationRef } from '../plan/artefact.ts';
import { classify } from './classify.ts';
import type { Impact } from './impact.ts';
import { type ImpactPackage, readInstalled, readPooled } from './impact-package.ts';
import { NeedGraph } from './need-graph.ts';
import { changesBetween, type PackageChanges } from './package-changes.ts';
import { buildsWithCpvs } from './pooled-builds-store.ts';
import { ImpactRules } from './rules.ts';

/** So many pairs are remembered, and so many packages. */
const KEPT_MERGES = 64;
const KEPT_PACKAGES = 40_000;

interface Merge {
  readonly changes: PackageChanges;
  readonly graph: NeedGraph;
}

/** Nodes with the same packages installed. */
interface Group {
  readonly profile: string;
  readonly installedDigest: string;
  readonly nodes: ObservedNode[];
}

export interface ImpactContext {
  readonly database: Database;
  readonly profiles: ProfileCatalog;
  readonly locks: Locks;
}

/**
 * What publications do to nodes. What a merge changes is worked out once for each set of installed packages and each
 * content of a publication, and remembered by both; what runs on the nodes is looked at each time.
 */
export class Impacts {
  readonly #context: ImpactContext;
  readonly #merges = new Map<string, Merge>();
  readonly #packages = new Map<string, ImpactPackage>();

  constructor(context: ImpactContext) {
    this.#context = context;
  }

  /**
   * One impact for each set of installed packages and publication of the nodes' profile; for nodes of a profile that none is
   * for, with all of them, and then everything that changes is `blocked`. Those with most nodes come first.
   *
   * Throws `unknown-profile`, `unknown-publication`, `publication-collected`, `report-changed`.
   */
  async of(
    publications: readonly PublicationRef[],
    nodes: readonly ObservedNode[],
  ): Promise<Impact[]> {
    const impacts: Impact[] = [];
    for (const group of groupsOf(nodes)) {
      const own = publications.filter(({ profile }) => profile === group.profile);
      for (const to of own.length > 0 ? own : publications) {
        const { changes: merge, graph } = await this.#mergeOf(group, to);
        const rules = new ImpactRules(this.#context.profiles.get(group.profile).impact);
        impacts.push(classify({ ...group, to, merge, graph, rules }));
        await setImmediate();
      }
    }
    return impacts;
  }

  /** One at a time for each pair, so that ten callers do the work once. */
  async #mergeOf(group: Group, to: PublicationRef): Promise<Merge> {
    const { profile, installedDigest } = group;
    const base = this.#context.profiles.get(profile).baseSystem ?? NO_BASE_SYSTEM;
    const key = digestOf('sha256', JSON.stringify([profile, installedDigest, to.digest, base]));
    return await this.#context.locks.run(`fleet-impact:${key}`, async () => {
      const known = this.#merges.get(key);
      if (known !== undefined) {
        return known;
      }
      const made = await this.#merge(group, to, base);
      remember(this.#merges, key, made, KEPT_MERGES);
      return made;
    });
  }

  async #merge(group: Group, to: PublicationRef, base: BaseSystem): Promise<Merge> {
    const { database } = this.#context;
    const { snapshotId } = await requirePublication(this.#context, to, to.serial);
    const ids = (await choicesOfSnapshot(database, snapshotId)).map(({ id }) => id);
    const published = await this.#pooled(ids);
    const installed = await this.#installed(group);
    const changes = changesBetween(installed, published, base);
    const all = [
      ...changes.stays,
      ...changes.changes.flatMap(({ from, to: next }) => [from, next].flatMap((one) => one ?? [])),
    ];
    return { changes, graph: new NeedGraph(all) };
  }

  /** What the repository built is known with all its needs; of the rest, what a node has said. */
  async #installed({ profile, installedDigest, nodes }: Group): Promise<ImpactPackage[]> {
    const { database } = this.#context;
    const said = await this.#saidBy(profile, installedDigest, nodes);
    const cpvs = said.filter(({ buildId }) => buildId !== null).map(({ cpv }) => cpv);
    const builds = new Map<string, string[]>();
    for (const { id, cpv } of await buildsWithCpvs(database, profile, cpvs)) {
      builds.set(cpv, [...(builds.get(cpv) ?? []), id]);
    }
    const pooled = new Map<string, ImpactPackage[]>();
    for (const one of await this.#pooled([...builds.values()].flat())) {
      pooled.set(one.gate.cpv, [...(pooled.get(one.gate.cpv) ?? []), one]);
    }
    return said.map((one) => {
      const same = pooled.get(one.cpv)?.find((build) => isOfPool(one, build));
      return same ?? readInstalled(one);
    });
  }

  async #saidBy(
    profile: string,
    content: string,
    nodes: readonly ObservedNode[],
  ): Promise<readonly InstalledPackage[]> {
    for (const { node } of nodes) {
      const said = await installedIn(this.#context.database, profile, { node, content });
      if (said !== undefined) {
        return said;
      }
    }
    const [first] = nodes;
    throw new AppError(
      'report-changed',
      `The node ${first?.node} has reported other packages in the meantime; ask again.`,
      { details: { profile, nodes: nodes.map(({ node }) => node).slice(0, 10) } },
    );
  }

  async #pooled(ids: readonly string[]): Promise<ImpactPackage[]> {
    const missing = ids.filter((id) => !this.#packages.has(id));
    const read = new Map<string, ImpactPackage>();
    for (const chunk of chunksOf(missing)) {
      for (const record of await packagesById(this.#context.database, chunk)) {
        read.set(record.id, readPooled(record));
      }
    }
    const found = ids.flatMap((id) => this.#packages.get(id) ?? read.get(id) ?? []);
    for (const [id, one] of read) {
      remember(this.#packages, id, one, KEPT_PACKAGES);
    }
    return found;
  }
}

function isOfPool(one: InstalledPackage, build: ImpactPackage): boolean {
  const { buildId, buildTime, formerBuildIds, gate } = build;
  return (
    buildId !== null &&
    buildTime !== null &&
    isBuild(one, { cpv: gate.cpv, buildId, buildTimeSeconds: buildTime, formerBuildIds })
  );
}

/** What was put in first goes first. */
function remember<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) {
      return;
    }
    map.delete(oldest);
  }
}

function groupsOf(nodes: readonly ObservedNode[]): Group[] {
  const groups = new Map<string, Group>();
  for (const one of nodes) {
    const { profile, installedDigest } = one;
    const key = `${profile} ${installedDigest}`;
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { profile, installedDigest, nodes: [one] });
    } else {
      group.nodes.push(one);
    }
  }
  return [...groups.values()].toSorted(
    (a, b) =>
      b.nodes.length - a.nodes.length ||
      Number(a.installedDigest > b.installedDigest) - Number(a.installedDigest < b.installedDigest),
  );
}
