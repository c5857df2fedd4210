import { setImmediate } from 'node:timers/promises';
import type { Queries } from '../../database/database.ts';
import type { BaseSystem } from '../../gentoo/base-system.ts';
import { digestOf } from '../../support/digests.ts';
import { countFileLevels, levelsOf } from '../file-level-store.ts';
import { closureFindings } from './closure.ts';
import { FileLook } from './file-look.ts';
import type { Finding } from './finding.ts';
import { type GatePackage, readBasePackage, readBaseSoname } from './gate-package.ts';
import { gatePackages } from './gate-store.ts';
import { formatFiles } from './look-at-file.ts';
import { fileFindings, type OwnRules, ownFindings } from './package-findings.ts';
import { Universe } from './universe.ts';

/** Packages that are judged before other work gets its turn: some milliseconds. */
const SLICE = 250;
/** Of fewer files, a thread of its own is not worth its start. */
const WORTH_A_THREAD = 4000;

/** Some packages of a set. Parts of the same id hold the same. */
export interface Part {
  readonly id: string;
  load(): Promise<readonly string[]>;
}

export interface CheckedSet {
  readonly parts: readonly Part[];
  readonly base: BaseSystem;
  readonly rules: OwnRules;
}

/** The files of the packages of a part, see `formatFiles`. */
interface FileList {
  readonly packages: readonly GatePackage[];
  readonly text: string;
}

type KnownPackages = (id: string) => GatePackage | undefined;

/** What was found out about the contents of a channel the last time. */
interface State {
  /** The rules: with others, everything is judged anew. */
  readonly terms: string;
  /** The base system, by id. */
  base: ReadonlyMap<string, GatePackage>;
  readonly universe: Universe;
  readonly packages: Map<string, GatePackage>;
  parts: Map<string, readonly string[]>;
  /** By part; made for those whose files the thread was asked for. */
  readonly lists: Map<string, FileList>;
  /** By package id; those without are left out. */
  readonly closure: Map<string, readonly Finding[]>;
  readonly own: Map<string, readonly Finding[]>;
  /** Packages of whose files it is not known what processor they need. */
  readonly unlevelled: Set<string>;
  /** How many files had a known level at the last look: more are known only when it is another number. */
  levelCount: number;
}

/**
 * Says what is wrong with a set of packages. It remembers, by channel, the set it has judged last: the next one costs
 * what is different, the packages that came and went and those that need them, and a look at every file. All of it can
 * be made again from the database. One call for a channel at a time.
 */
export class SnapshotChecker {
  readonly #states = new Map<string, State>();
  readonly #look = new FileLook();
  readonly #worthAThread: number;

  constructor(worthAThread = WORTH_A_THREAD) {
    this.#worthAThread = worthAThread;
  }

  async check(queries: Queries, channel: string, set: CheckedSet): Promise<readonly Finding[]> {
    const state = this.#stateFor(channel, set);
    try {
      const replaced = exchangeBase(state, set.base);
      const { changed, added } = await exchange(queries, state, {
        parts: set.parts,
        known: (id) => this.#find(id),
      });
      await judge(state, [...replaced, ...changed]);
      await judgeOwn(queries, state, added, set.rules);
      const files = await this.#lookAtFiles(state, set.rules);
      return [...[...state.closure.values()].flat(), ...[...state.own.values()].flat(), ...files];
    } catch (error) {
      this.#states.delete(channel);
      throw error;
    }
  }

  /** Of some sonames those that the set that was judged last, and its base system, do not provide. */
  notProvided(channel: string, sonames: readonly string[]): string[] {
    const universe = this.#states.get(channel)?.universe;
    return sonames.filter((soname) => universe?.isProvided(soname) !== true);
  }

  /** Every file, every time: a file can go, or be written over, behind the back of the server. */
  async #lookAtFiles(state: State, rules: OwnRules): Promise<Finding[]> {
    const folder = rules.layout.packages(rules.profile.name);
    const findings: Finding[] = [];
    let looked = 0;
    for (const one of await this.#worthALook(state, folder)) {
      findings.push(...fileFindings(one, folder));
      looked += 1;
      if (looked % SLICE === 0) {
        await setImmediate();
      }
    }
    return findings;
  }

  /** All packages, or of many those of whose files the thread has found something. */
  async #worthALook(state: State, folder: string): Promise<Iterable<GatePackage>> {
    if (state.packages.size < this.#worthAThread) {
      return state.packages.values();
    }
    const lists = listsOf(state);
    const odd = await this.#look.odd(
      folder,
      lists.map(({ text }) => text),
    );
    return odd.flatMap(({ list, line }) => lists[list]?.packages[line] ?? []);
  }

  /** A package as it was read for any channel: they share what they have in common. */
  #find(id: string): GatePackage | undefined {
    for (const { packages } of this.#states.values()) {
      const one = packages.get(id);
      if (one !== undefined) {
        return one;
      }
    }
    return undefined;
  }

  #stateFor(channel: string, { rules }: CheckedSet): State {
    const terms = digestOf(
      'sha256',
      JSON.stringify([rules.profile.flags['CFLAGS'], [...rules.currentKeys].toSorted()]),
    );
    const known = this.#states.get(channel);
    if (known?.terms === terms) {
      return known;
    }
    const state: State = {
      terms,
      base: new Map(),
      universe: new Universe(),
      packages: new Map(),
      parts: new Map(),
      lists: new Map(),
      closure: new Map(),
      own: new Map(),
      unlevelled: new Set(),
      levelCount: -1,
    };
    this.#states.set(channel, state);
    return state;
  }
}

/** Returns what came and what went. Nodes report all the time, and change seldom. */
function exchangeBase(state: State, { packages, sonames }: BaseSystem): readonly GatePackage[] {
  const before = state.base;
  const now = [...packages.map(readBasePackage), ...sonames.map(readBaseSoname)];
  state.base = new Map(now.map((one) => [one.id, before.get(one.id) ?? one]));
  const gone = [...before.values()].filter(({ id }) => !state.base.has(id));
  const come = [...state.base.values()].filter(({ id }) => !before.has(id));
  for (const one of gone) {
    state.universe.remove(one);
  }
  for (const one of come) {
    state.universe.add(one);
  }
  return [...gone, ...come];
}

/** Takes out what is gone and puts in what is new; `known` has packages that were read for other channels. */
async function exchange(
  queries: Queries,
  state: State,
  { parts, known }: Pick<CheckedSet, 'parts'> & { readonly known: KnownPackages },
): Promise<{ readonly changed: readonly GatePackage[]; readonly added: readonly GatePackage[] }> {
  const { universe, packages } = state;
  const before = state.parts;
  const now = new Map<string, readonly string[]>();
  for (const part of parts) {
    now.set(part.id, before.get(part.id) ?? (await part.load()));
  }
  state.parts = now;
  const come = new Set([...now].filter(([id]) => !before.has(id)).flatMap(([, ids]) => ids));
  const gone = [...before].filter(([id]) => !now.has(id)).flatMap(([, ids]) => ids);
  const changed: GatePackage[] = [];
  for (const id of gone) {
    const one = packages.get(id);
    if (one !== undefined && !come.has(id)) {
      packages.delete(id);
      state.unlevelled.delete(id);
      universe.remove(one);
      changed.push(one);
      for (const findings of [state.closure, state.own]) {
        findings.delete(id);
      }
    }
  }
  const added: GatePackage[] = [];
  const missing = [...come].filter((id) => !packages.has(id));
  for await (const chunk of readGatePackages(queries, missing, known)) {
    for (const one of chunk) {
      packages.set(one.id, one);
      universe.add(one);
      added.push(one);
    }
    await setImmediate();
  }
  return { changed: [...changed, ...added], added };
}

/** Slices of the packages with these ids: those that are known, then those that have to be read. */
async function* readGatePackages(
  queries: Queries,
  ids: readonly string[],
  known: KnownPackages,
): AsyncGenerator<readonly GatePackage[]> {
  const found = ids.map(known);
  for (let start = 0; start < found.length; start += SLICE) {
    yield found.slice(start, start + SLICE).filter((one) => one !== undefined);
  }
  const unread = ids.filter((_, at) => found[at] === undefined);
  yield* gatePackages(queries, unread);
}

/** Judges again what may be another case now. */
async function judge(
  { universe, packages, closure }: State,
  changed: readonly GatePackage[],
): Promise<void> {
  const touched =
    changed.length < packages.size
      ? new Set(changed.flatMap((one) => [...universe.touchedBy(one)]))
      : packages.values();
  let judged = 0;
  for (const one of touched) {
    if (packages.has(one.id)) {
      note(closure, one, closureFindings(one, universe));
      judged += 1;
      if (judged % SLICE === 0) {
        await setImmediate();
      }
    }
  }
}

/** Whatever a package is by itself. What processor its files need may become known later: a deep check finds it out. */
async function judgeOwn(
  queries: Queries,
  state: State,
  added: readonly GatePackage[],
  rules: OwnRules,
): Promise<void> {
  const { own, packages, unlevelled } = state;
  for (const one of added) {
    unlevelled.add(one.id);
  }
  const known = await countFileLevels(queries);
  const asked = known === state.levelCount ? added.map(({ id }) => id) : [...unlevelled];
  state.levelCount = known;
  const levels = await levelsOf(queries, asked);
  for (const one of added.filter(({ id }) => !levels.has(id))) {
    note(own, one, ownFindings(one, rules, undefined));
  }
  for (const [id, level] of levels) {
    const one = packages.get(id);
    if (one !== undefined) {
      note(own, one, ownFindings(one, rules, level));
    }
    unlevelled.delete(id);
  }
}

function listsOf({ parts, lists, packages }: State): readonly FileList[] {
  for (const id of lists.keys()) {
    if (!parts.has(id)) {
      lists.delete(id);
    }
  }
  return [...parts].map(([id, ids]) => {
    const list = lists.get(id) ?? makeList(ids.flatMap((one) => packages.get(one) ?? []));
    lists.set(id, list);
    return list;
  });
}

function makeList(packages: readonly GatePackage[]): FileList {
  return { packages, text: formatFiles(packages.flatMap(({ file }) => file ?? [])) };
}

function note(
  findings: Map<string, readonly Finding[]>,
  { id }: GatePackage,
  found: readonly Finding[],
): void {
  if (found.length > 0) {
    findings.set(id, found);
  } else {
    findings.delete(id);
  }
}
