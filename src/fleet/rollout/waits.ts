import * as z from 'zod';
import type { RolloutRow } from '../../database/tables.ts';
import { startApprovals } from '../plan/approvals.ts';
import type { Ledger } from './ledger.ts';
import type { WaitReason } from './rollout.ts';
import { headOf } from './rollout-store.ts';
import type { UnitProgress } from './unit-journal.ts';

/** Reasons that are written down; one more says how many there are besides. */
const MOST_REASONS = 100;
/** Units under way that are named. */
const MOST_UNITS = 20;

const waitsSchema = z.array(
  z.object({
    kind: z.string(),
    unit: z.string().nullable(),
    sentence: z.string(),
    until: z.number().nullable(),
  }),
);

/**
 * Writes down which stage is under way and what it waits for, where every server reads it.
 *
 * @param row - as it was read last: what stands there already is not written again
 */
export async function noteWaits(
  ledger: Pick<Ledger, 'write'>,
  row: Pick<RolloutRow, 'waits_json' | 'stage'>,
  {
    stage = row.stage,
    waits,
  }: { readonly stage?: string | null; readonly waits: readonly WaitReason[] },
): Promise<void> {
  const text = JSON.stringify(shortened(waits));
  if (text !== row.waits_json || stage !== row.stage) {
    await ledger.write({ rollout: { waits_json: text, stage } });
  }
}

function shortened(waits: readonly WaitReason[]): readonly WaitReason[] {
  const more = waits.length - MOST_REASONS;
  return more <= 0
    ? waits
    : [...waits.slice(0, MOST_REASONS), reason('more', `And for ${more} things more.`)];
}

/** What is under way is waited for. */
export function underWay(units: Iterable<UnitProgress>): readonly WaitReason[] {
  const some: UnitProgress[] = [];
  for (const unit of units) {
    if (some.push(unit) === MOST_UNITS) {
      break;
    }
  }
  return some.map(({ unit, step }) => ({
    kind: 'node-step',
    unit: unit.id,
    sentence: `${unit.id} is at ${step ?? 'its first step'}.`,
    until: null,
  }));
}

/**
 * What a rollout waits for, as its rows say: the same on every server.
 *
 * @param approved - `start`, `second`, names of stages
 */
export function readWaits(row: RolloutRow, approved: readonly string[]): readonly WaitReason[] {
  const { state, because, runner } = row;
  if (state === 'draft') {
    const missing = startApprovals(headOf(row).policy).filter((of) => !approved.includes(of));
    return missing.length === 0
      ? [reason('start', 'It is approved, and nobody has started it.')]
      : missing.map((of) => reason('approval', `Somebody has to approve it: ${of}.`));
  }
  if (state === 'paused') {
    return [reason('paused', because ?? 'It is paused.')];
  }
  if (state !== 'running' && state !== 'aborting') {
    return [];
  }
  return runner === null
    ? [reason('start', 'It was started, and no server has taken it up yet.')]
    : waitsSchema.parse(JSON.parse(row.waits_json));
}

function reason(kind: string, sentence: string): WaitReason {
  return { kind, unit: null, sentence, until: null };
}
