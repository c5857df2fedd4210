import * as z from 'zod';
import type { ObservedNode } from '../observed/observed-node.ts';
import type { Artefacts, PhpTreeRef, ReleaseRef } from '../plan/artefact.ts';
import type { RolloutPlan } from '../plan/plan.ts';
import type { PlanInput } from '../plan/plan-input.ts';

/**
 * What the nodes of a plan have before it, of the sort that it changes: where a way back goes. Where nodes differ, what most
 * of a profile have.
 */
export function artefactsBefore(
  plan: RolloutPlan,
  { observed, installed }: Pick<PlanInput, 'observed' | 'installed'>,
): Artefacts {
  const nodes = [
    ...new Set(plan.stages.flatMap(({ units }) => units.flatMap((unit) => unit.nodes))),
  ];
  const publications = nodes.flatMap((node) => installed.get(node) ?? []);
  const said = nodes.flatMap((node) => observed.get(node) ?? []);
  const trees = said.flatMap((node) => activeTree(node) ?? []);
  const releases = said.flatMap((node) => servedRelease(node) ?? []);
  return {
    publications: plan.kind.startsWith('os') ? mostOfEach(publications) : [],
    trees: plan.artefacts.trees.length > 0 ? mostOfEach(trees) : [],
    release: plan.kind === 'app' ? (mostOf(releases) ?? null) : null,
  };
}

function activeTree({ profile, php }: ObservedNode): PhpTreeRef | undefined {
  const active = php.resident.find(({ id }) => id === php.active);
  return active === undefined ? undefined : { profile, id: active.id, manifest: active.manifest };
}

function servedRelease({ system }: ObservedNode): ReleaseRef | undefined {
  return system?.releases.find(({ release }) => release === system.release);
}

const artefactsSchema = z.custom<Artefacts>(
  (value) => typeof value === 'object' && value !== null && 'publications' in value,
);

/** What `artefactsBefore` was kept as. */
export function readArtefacts(json: string): Artefacts {
  return artefactsSchema.parse(JSON.parse(json));
}

function mostOfEach<T extends { readonly profile: string }>(all: readonly T[]): readonly T[] {
  const profiles = [...new Set(all.map(({ profile }) => profile))];
  return profiles.flatMap((profile) => mostOf(all.filter((one) => one.profile === profile)) ?? []);
}

function mostOf<T>(all: readonly T[]): T | undefined {
  const counts = new Map<string, { readonly one: T; count: number }>();
  for (const one of all) {
    const key = JSON.stringify(one);
    const found = counts.get(key) ?? { one, count: 0 };
    found.count += 1;
    counts.set(key, found);
  }
  return [...counts.values()].toSorted((first, other) => other.count - first.count)[0]?.one;
}
