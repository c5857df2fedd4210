import { dirname } from 'node:path';
import * as z from 'zod';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { AppError } from '../support/errors.ts';
import { readTextIfPresent, writeFileAtomic } from '../support/files.ts';
import type { PhpLayout } from './layout.ts';
import type { PhpIndex } from './php-index.ts';

const MAX_DEEDS = 1000;

const deedSchema = z.strictObject({
  /** Of the INDEX that it made. */
  serial: z.number().int().min(1),
  kind: z.enum(['import', 'promote', 'rollback', 'remove', 'collect', 'recover']),
  /** The channel that it changed; null when it changed none. */
  channel: z.string().nullable(),
  /** The tree that it is about; null for several. */
  tree: z.string().nullable(),
  /** What the channel showed before it. */
  before: z.string().nullable(),
  /** What was missing when it was forced. */
  forced: z.array(z.string()),
  actor: z.string(),
  reason: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
});
/** One change of what a profile's nodes may use. */
export type Deed = z.infer<typeof deedSchema>;

const ledgerSchema = z.strictObject({
  format: z.literal(1),
  /** At least that of the INDEX: also when that one is lost, the next is larger. */
  serial: z.number().int().min(0),
  /** The last revision of each version that an id was made of, whether its tree is still there or not. */
  revisions: z.record(z.string(), z.number().int().min(1)),
  /** Trees that were taken out of the INDEX and may not all be gone from the disk. */
  removed: z.array(z.string()),
  deeds: z.array(deedSchema),
});
export type Ledger = z.infer<typeof ledgerSchema>;

const EMPTY: Ledger = { format: 1, serial: 0, revisions: {}, removed: [], deeds: [] };

/**
 * What has to be known of a profile's trees besides what is served, from a file in the state folder. What was written
 * for an INDEX that never came is left out. Throws `php-ledger-damaged`.
 */
export async function readLedger(
  layout: PhpLayout,
  profile: string,
  index: PhpIndex | undefined,
): Promise<Ledger> {
  const file = layout.ledger(profile);
  const text = await readTextIfPresent(file);
  if (text === undefined) {
    return EMPTY;
  }
  const ledger = parse(text, file);
  if (index === undefined) {
    return ledger;
  }
  const listed = new Set(index.trees.map(({ id }) => id));
  return {
    ...ledger,
    removed: ledger.removed.filter((id) => !listed.has(id)),
    deeds: ledger.deeds.filter(({ serial }) => serial <= index.serial),
  };
}

function parse(text: string, file: string): Ledger {
  try {
    return ledgerSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new AppError(
      'php-ledger-damaged',
      `${file} cannot be read. Without it (move it away) the next serial and revisions follow from what is served.`,
      { cause: error, details: { file } },
    );
  }
}

export async function writeLedger(
  layout: PhpLayout,
  profile: string,
  ledger: Ledger,
): Promise<void> {
  const file = layout.ledger(profile);
  await makeDurableFolder(dirname(file));
  const kept = { ...ledger, deeds: ledger.deeds.slice(-MAX_DEEDS) };
  await writeFileAtomic(file, `${JSON.stringify(kept, null, 1)}\n`);
}
