import { z } from 'zod';
import type { Database } from '../../database/database.ts';
import type { RolloutRow } from '../../database/tables.ts';
import { startApprovals } from '../plan/approvals.ts';
import type { RolloutRecord, WaitReason } from './rollout.ts';
import { findRollout } from './rollout-store.ts';

const waitsSchema = z.array(
  z.object({
    kind: z.string(),
    unit: z.string().nullable(),
    sentence: z.string(),
    until: z.number().nullable(),
  }),
);

/** What a rollout waits for, where another server carries it out, or nobody yet. */
export async function readWaits(
  database: Database,
  row: RolloutRow,
  { state, plan, approvals, because }: RolloutRecord,
): Promise<readonly WaitReason[]> {
  if (state === 'draft') {
    const missing = startApprovals(plan.policy).filter(
      (of) => !approvals.some((given) => given.of === of),
    );
    return missing.length === 0
      ? [reason('start', 'It is approved, and nobody has started it.')]
      : missing.map((of) => reason('approval', `Somebody has to approve it: ${of}.`));
  }
  if (state === 'paused') {
    return [reason('paused', because ?? 'It is paused.')];
  }
  const known = (await findRollout(database, row.id))?.waits_json ?? '[]';
  return state === 'running' || state === 'aborting' ? waitsSchema.parse(JSON.parse(known)) : [];
}

function reason(kind: string, sentence: string): WaitReason {
  return { kind, unit: null, sentence, until: null };
}
