import { setImmediate } from 'node:timers/promises';
import type { Queries } from '../../database/database.ts';
import type { BaseSystem } from '../../gentoo/base-system.ts';
import { digestOf } from '../../support/digests.ts';
import { closureFindings } from './closure.ts';
import type { Finding } from './finding.ts';
import { type GatePackage, readBasePackage } from './gate-package.ts';
import { gatePackages } from './gate-store.ts';
import { Universe } from './universe.ts';

/** Packages that are judged before other work gets its turn: some milliseconds. */
const SLICE = 250;

/** What was found out about the contents of a channel the last time. */
interface State {
  readonly base: string;
  readonly universe: Universe;
  readonly packages: Map<string, GatePackage>;
  /** By package id; those without are left out. */
  readonly findings: Map<string, readonly Finding[]>;
}

/**
 * Says what is missing inside a set of packages. It remembers, by channel, the set it has judged last: the next one
 * costs what is different, the packages that came and went and those that need them. All of it can be made again
 * from the database. One call for a channel at a time.
 */
export class SnapshotChecker {
  readonly #states = new Map<string, State>();

  async check(
    queries: Queries,
    channel: string,
    { ids, base }: { readonly ids: readonly string[]; readonly base: BaseSystem },
  ): Promise<{ readonly packages: readonly GatePackage[]; readonly findings: readonly Finding[] }> {
    const state = this.#stateFor(channel, base);
    try {
      await update(queries, state, new Set(ids));
    } catch (error) {
      this.#states.delete(channel);
      throw error;
    }
    return {
      packages: [...state.packages.values()],
      findings: [...state.findings.values()].flat(),
    };
  }

  #stateFor(channel: string, base: BaseSystem): State {
    const digest = digestOf('sha256', JSON.stringify(base));
    const known = this.#states.get(channel);
    if (known?.base === digest) {
      return known;
    }
    const universe = new Universe();
    for (const one of base.packages) {
      universe.add(readBasePackage(one));
    }
    universe.provide(base.sonames);
    const state = { base: digest, universe, packages: new Map(), findings: new Map() };
    this.#states.set(channel, state);
    return state;
  }
}

async function update(queries: Queries, state: State, ids: ReadonlySet<string>): Promise<void> {
  const { universe, packages, findings } = state;
  const changed: GatePackage[] = [];
  for (const [id, one] of packages) {
    if (!ids.has(id)) {
      packages.delete(id);
      findings.delete(id);
      universe.remove(one);
      changed.push(one);
    }
  }
  const added = [...ids].filter((id) => !packages.has(id));
  for await (const chunk of gatePackages(queries, added)) {
    for (const one of chunk) {
      packages.set(one.id, one);
      universe.add(one);
      changed.push(one);
    }
    await setImmediate();
  }
  const touched = new Set<GatePackage>();
  for (const one of changed) {
    for (const other of universe.touchedBy(one)) {
      touched.add(other);
    }
  }
  let judged = 0;
  for (const one of touched) {
    if (packages.has(one.id)) {
      const found = closureFindings(one, universe);
      if (found.length > 0) {
        findings.set(one.id, found);
      } else {
        findings.delete(one.id);
      }
      judged += 1;
      if (judged % SLICE === 0) {
        await setImmediate();
      }
    }
  }
}
