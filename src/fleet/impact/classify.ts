import { sonamesIn } from '../../gentoo/soname-list.ts';
import type { PublicationRef } from '../plan/artefact.ts';
import { EFFECTS, type Effect, type Impact, type PackageImpact } from './impact.ts';
import type { ImpactPackage } from './impact-package.ts';
import { lossesOf } from './losses.ts';
import { type NeedGraph, needsOfFiles, type Reached, type Root } from './need-graph.ts';
import type { PackageChange, PackageChanges } from './package-changes.ts';
import type { ImpactRules } from './rules.ts';
import { type FileUse, type NodeView, RuntimeUse } from './runtime-use.ts';
import { mappedSentence, onNodes, programWords, shownSoname, silentSentence } from './sentences.ts';

/** A pinned pair: nodes with the same packages installed, and the publication that is to come over them. */
export interface Pair {
  readonly profile: string;
  readonly installedDigest: string;
  readonly nodes: readonly NodeView[];
  readonly to: PublicationRef;
  /** What the merge changes; see `changesBetween`. */
  readonly merge: PackageChanges;
  /** Of all packages of the merge, those that are there before and those after it. */
  readonly graph: NeedGraph;
  readonly rules: ImpactRules;
}

/** One thing that speaks for an effect. */
interface Evidence {
  readonly effect: Effect;
  readonly reason: string;
}

/** What the merge does to these nodes. Of all that speaks for an effect the strongest counts. */
export function classify(pair: Pair): Impact {
  const { profile, installedDigest, nodes, to, merge } = pair;
  const use = new RuntimeUse(nodes);
  const judge = new Judge(pair, use);
  const packages = merge.changes.map((change) => judge.impactOf(change)).toSorted(strongestFirst);
  return {
    profile,
    installedDigest,
    nodes: nodes.map(({ node }) => node).toSorted(),
    to,
    effect: packages[0]?.effect ?? 'none',
    packages,
    restarts: judge.restarts(),
  };
}

class Judge {
  readonly #pair: Pair;
  readonly #use: RuntimeUse;
  readonly #losses: ReadonlyMap<PackageChange, readonly string[]>;
  readonly #reached: ReadonlyMap<ImpactPackage, Reached>;
  readonly #installed: ReadonlySet<string>;

  constructor(pair: Pair, use: RuntimeUse) {
    this.#pair = pair;
    this.#use = use;
    const { changes, stays } = pair.merge;
    const installed = [...stays, ...changes.flatMap(({ from }) => from ?? [])];
    this.#installed = new Set(installed.map(({ gate }) => gate.cpv));
    this.#losses = lossesOf(pair.merge, use);
    this.#reached = pair.graph.reachedFrom(this.#roots());
  }

  impactOf(change: PackageChange): PackageImpact {
    const evidence = [
      ...this.#evidence(change),
      // What nothing speaks for does nothing.
      { effect: 'none' as const, reason: harmless(change) },
    ];
    const effect = strongestOf(evidence.map((one) => one.effect));
    return {
      name: change.name,
      slot: change.slot,
      from: change.from?.gate.cpv ?? null,
      to: change.to?.gate.cpv ?? null,
      effect,
      reasons: reasonsOf(evidence, effect),
    };
  }

  /** Programs that go on without a drain, in the order of their restarts. */
  restarts(): readonly string[] {
    const { rules, merge } = this.#pair;
    const orders = new Map<string, number>();
    for (const change of merge.changes) {
      for (const { program, tree } of this.#usersOf(change)) {
        const { effect, order } = rules.ofProgram(program, tree);
        if (effect === 'service-restart') {
          orders.set(program, order);
        }
      }
    }
    return [...orders]
      .toSorted(([a, one], [b, other]) => one - other || Number(a > b) - Number(a < b))
      .map(([program]) => program);
  }

  /** Strongest kinds first, so that of equal effects the one with more weight is said first. */
  #evidence(change: PackageChange): Evidence[] {
    const { rules, profile, to } = this.#pair;
    const rule = rules.ofPackage(change.name);
    const lost = this.#losses.get(change) ?? [];
    return [
      ...(profile === to.profile
        ? []
        : [
            {
              effect: 'blocked' as const,
              reason: `the nodes have the profile ${profile}, and the publication is for ${to.profile}`,
            },
          ]),
      ...lost.map((reason) => ({ effect: 'blocked' as const, reason })),
      ...this.#usersOf(change).map((use) => ({
        effect: rules.ofProgram(use.program, use.tree).effect,
        reason: mappedSentence(use),
      })),
      ...(rule === null ? [] : [rule]),
      ...this.#needed(change),
      ...this.#unseen(change),
    ];
  }

  #usersOf({ from }: Pick<PackageChange, 'from'>): readonly FileUse[] {
    return from === null ? [] : this.#use.usersOf(from.gate, (cpv) => this.#installed.has(cpv));
  }

  /** Not mapped now, and all the same in the way of what serves requests. */
  #needed({ from, to }: PackageChange): Evidence[] {
    const found = [from, to].flatMap((one) => (one === null ? [] : (this.#reached.get(one) ?? [])));
    return found.slice(0, 1).map(({ soname, label, through }) => ({
      effect: 'disruptive',
      reason: `${shownSoname(soname)} is needed by ${label}${through === null ? '' : `, through ${through}`}`,
    }));
  }

  #unseen(change: PackageChange): Evidence[] {
    const { silent } = this.#use;
    return silent.length === 0 || !hasCode(change)
      ? []
      : [
          {
            effect: 'disruptive',
            reason: `${silentSentence(silent)}, and it has programs or libraries`,
          },
        ];
  }

  /** What serves requests: processes, resident PHP trees, and packages that the rules name, running or not. */
  #roots(): Root[] {
    const { merge, rules } = this.#pair;
    const sides = [
      ...merge.stays.map((one) => [one]),
      ...merge.changes.map(({ from, to }) => [from, to].flatMap((one) => one ?? [])),
    ];
    const named = sides.flat().filter(({ gate }) => isOfWeb(rules.ofPackage(gate.name)));
    const roots: Root[] = [
      ...sides.flatMap((both) => this.#rootsOfUsers(both)),
      ...[...this.#use.trees].map(([tree, { requires, nodes }]) => ({
        label: `the PHP tree ${tree}${onNodes(nodes)}`,
        requires: [...requires].flatMap((text) => sonamesIn(text)).toSorted(),
      })),
      ...named.map(({ gate, objects }) => ({
        label: gate.cpv,
        requires: objects.flatMap((object) => object.requires),
      })),
    ];
    return roots.toSorted((a, b) => Number(a.label > b.label) - Number(a.label < b.label));
  }

  /** Of a package, and of what takes its place: what the processes need that have its files mapped. */
  #rootsOfUsers(both: readonly ImpactPackage[]): Root[] {
    const { rules } = this.#pair;
    const [old] = both;
    return old === undefined
      ? []
      : this.#usersOf({ from: old })
          .filter(({ program, tree }) => isOfWeb(rules.ofProgram(program, tree)))
          .flatMap((use) =>
            both.map((one) => ({
              label: `${programWords(use)}${onNodes(use.nodes)}`,
              requires: needsOfFiles(one, [...use.files.keys()], old),
            })),
          );
  }
}

function isOfWeb(rule: { readonly effect: Effect } | null): boolean {
  return rule?.effect === 'disruptive';
}

function hasCode({ from, to }: PackageChange): boolean {
  return [from, to].some((one) => (one?.objects.length ?? 0) > 0);
}

function harmless(change: PackageChange): string {
  if (!hasCode(change)) {
    return 'it has no programs or libraries that could be running';
  }
  return change.from === null
    ? 'it is new, and nothing that serves requests needs it'
    : 'nothing that runs has a file of it mapped, and nothing that serves requests needs a library of it';
}

function reasonsOf(evidence: readonly Evidence[], effect: Effect): readonly string[] {
  const strongest = evidence.filter((one) => one.effect === effect);
  const weaker = evidence.filter((one) => one.effect !== effect && one.effect !== 'none');
  const rest = weaker.toSorted((a, b) => rank(b.effect) - rank(a.effect));
  // Of what does nothing one reason is enough.
  const first = effect === 'none' ? strongest.slice(0, 1) : strongest;
  return [...new Set([...first, ...rest].map(({ reason }) => reason))];
}

function strongestOf(effects: readonly Effect[]): Effect {
  return EFFECTS[Math.max(...effects.map(rank))] ?? 'none';
}

function rank(effect: Effect): number {
  return EFFECTS.indexOf(effect);
}

function strongestFirst(a: PackageImpact, b: PackageImpact): number {
  const [one, other] = [`${a.name}:${a.slot}`, `${b.name}:${b.slot}`];
  return rank(b.effect) - rank(a.effect) || Number(one > other) - Number(one < other);
}
