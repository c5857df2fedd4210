import type { Database } from '../../database/database.ts';
import type { HeldNodeRow } from '../../database/tables.ts';
import type { NodeFacts } from '../drivers/ports.ts';
import type { Action, NodeCommand, Unit } from '../plan/plan.ts';
import { readArtefacts } from './artefacts-before.ts';
import { findRollout, unitsOf } from './rollout-store.ts';
import { stepsOf } from './step-store.ts';

export type Check = Extract<NodeCommand, { readonly name: 'check' }>;

/** What a held node may serve when it is given free. */
export interface RightFor {
  /** What its unit wanted, and what was there before: one of them. */
  readonly checks: readonly Check[];
  /** Its packages were about to change: without a record of what it has, it has half of something. */
  readonly hasBegunMerge: boolean;
}

const ANYTHING: Check = { name: 'check', tree: null, release: null, publication: null };

/** From the rows of the rollout that holds it. A rollout that says nothing about the node leaves everything open. */
export async function rightFor(
  database: Database,
  held: HeldNodeRow,
  profile: string,
): Promise<RightFor> {
  const row = await findRollout(database, held.rollout);
  const units = row === undefined ? [] : await unitsOf(database, row.id);
  const own = units.filter(({ row: it, unit }) => it.started_at !== null && concerns(unit, held));
  const last = own.at(-1);
  if (row === undefined || last === undefined) {
    return { checks: [ANYTHING], hasBegunMerge: false };
  }
  const steps = await stepsOf(database, row.id, last.row.position);
  const merges = last.unit.steps.filter(({ action }) => isMerge(action)).map(({ id }) => id);
  const hasBegunMerge = steps.some(({ step, node }) => node === held.node && merges.includes(step));
  const wanted = checksOf(
    last.unit.steps.map(({ action }) => action),
    held.node,
  );
  const former = checksOf(
    last.unit.steps.flatMap(({ undo }) => undo),
    held.node,
  );
  const { publications } = readArtefacts(row.before_json);
  const before = publications.filter((one) => one.profile === profile);
  const formers = former.flatMap((check) => [
    check,
    ...before.map((publication): Check => ({ ...check, publication })),
  ]);
  const checks = [...wanted, ...formers.toReversed()];
  return { checks: checks.length === 0 ? [ANYTHING] : checks, hasBegunMerge };
}

function concerns({ nodes }: Unit, { node }: HeldNodeRow): boolean {
  return nodes.includes(node);
}

function isMerge(action: Action): boolean {
  return action.do === 'node' && action.run.name === 'merge';
}

function checksOf(actions: readonly Action[], node: string): readonly Check[] {
  return actions.flatMap((action) =>
    action.do === 'node' && action.run.name === 'check' && action.nodes.includes(node)
      ? [action.run]
      : [],
  );
}

/**
 * Whether a node has what the check wants.
 *
 * @param timestamp - of the check's publication, seconds; null: it has none, or it is not there any more
 */
export function has(
  facts: NodeFacts,
  check: Check,
  {
    timestamp,
    hasBegunMerge,
  }: { readonly timestamp: number | null; readonly hasBegunMerge: boolean },
): boolean {
  const { mergedTimestamp: merged } = facts;
  const isMerged =
    check.publication === null
      ? merged !== null || !hasBegunMerge
      : merged !== null && merged === timestamp;
  return (
    (check.tree === null || check.tree === facts.phpActive) &&
    (check.release === null || check.release === facts.release) &&
    isMerged
  );
}

/** `PHP tree X, release Y, publication 3 of web/stable`. */
export function sayCheck({ tree, release, publication }: Check): string {
  const parts = [
    ...(tree === null ? [] : [`PHP tree ${tree}`]),
    ...(release === null ? [] : [`release ${release}`]),
    ...(publication === null
      ? []
      : [`publication ${publication.serial} of ${publication.profile}/${publication.channel}`]),
  ];
  return parts.length === 0 ? 'whatever it had' : parts.join(', ');
}

export function sayFacts({ phpActive, release, mergedTimestamp }: NodeFacts): string {
  const merged =
    mergedTimestamp === null ? 'no whole publication' : `that of ${timeOf(mergedTimestamp)}`;
  return `PHP tree ${phpActive ?? 'none'}, release ${release ?? 'none'}, publication: ${merged}`;
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
