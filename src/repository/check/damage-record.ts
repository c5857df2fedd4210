import type { Queries } from '../../database/database.ts';
import type { Event } from '../../journal/event.ts';
import type { PackageRecord } from '../package-record.ts';
import type { RepositoryContext } from '../repository-context.ts';
import type { PlacedPackage } from './check-store.ts';
import { findFileCheck, saveFileCheck } from './file-check-store.ts';

/**
 * Remembers that the bytes of these packages are lost, and says so in the journal once. Returns the reason: the first
 * one, as long as nothing new is found.
 */
export async function recordDamage(
  context: RepositoryContext,
  damage: {
    readonly packages: readonly PlacedPackage[];
    readonly sha512: string;
    readonly reason: string;
    readonly isNews: boolean;
    readonly actor: string;
  },
): Promise<string> {
  const { packages, sha512, actor } = damage;
  const known = await findFileCheck(context.database, sha512);
  if (known?.state === 'damaged' && !damage.isNews) {
    return known.reason ?? damage.reason;
  }
  const reason = known?.state === 'damaged' ? (known.reason ?? damage.reason) : damage.reason;
  const events = await context.database.transaction().execute(async (queries) => {
    const check = { sha512, checkedAt: context.clock.now(), state: 'damaged', reason } as const;
    await saveFileCheck(queries, check);
    const written: Event[] = [];
    for (const { id, profile, cpv, path } of known?.state === 'damaged' ? [] : packages) {
      written.push(
        await context.journal.write(queries, {
          kind: 'package-damaged',
          subject: `package:${id}`,
          actor,
          data: { profile, cpv, path, reason },
        }),
      );
    }
    return written;
  });
  context.journal.announce(...events);
  return reason;
}

/** Remembers that the file is whole, and says in the journal if it was damaged. */
export async function recordRestored(
  context: RepositoryContext,
  whole: {
    readonly packages: readonly PlacedPackage[];
    readonly from: string;
    readonly actor: string;
  },
): Promise<void> {
  const [first] = whole.packages;
  if (first === undefined) {
    return;
  }
  const { sha512 } = first;
  const known = await findFileCheck(context.database, sha512);
  const events = await context.database.transaction().execute(async (queries) => {
    const check = { sha512, checkedAt: context.clock.now(), state: 'good', reason: null } as const;
    await saveFileCheck(queries, check);
    const written: Event[] = [];
    for (const { id, profile, cpv, path } of known?.state === 'damaged' ? whole.packages : []) {
      written.push(
        await context.journal.write(queries, {
          kind: 'package-restored',
          subject: `package:${id}`,
          actor: whole.actor,
          data: { profile, cpv, path, from: whole.from },
        }),
      );
    }
    return written;
  });
  context.journal.announce(...events);
}

/** The package, if its bytes can be had. */
export async function unlessDamaged(
  queries: Queries,
  record: PackageRecord | undefined,
): Promise<PackageRecord | undefined> {
  const check = record === undefined ? undefined : await findFileCheck(queries, record.sha512);
  return check?.state === 'damaged' ? undefined : record;
}
