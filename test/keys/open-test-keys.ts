import { join } from 'node:path';
import type { Journal } from '../../src/journal/journal.ts';
import { FarmKeys, type Resigning } from '../../src/keys/farm-keys.ts';
import type { RepositoryResign } from '../../src/repository/resign/resign-task.ts';
import type { GpgPlace } from '../../src/signing/gpg/gpg-place.ts';
import { Keyring } from '../../src/signing/keyring/keyring.ts';
import type { Clock } from '../../src/support/clock.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';

export const VALID_DAYS = 100;
const NEVER_MS = 1_000_000_000;

/** A repository in which nothing has to be signed again. */
export const noResign: RepositoryResign = {
  begin: () => undefined,
  isDone: () => true,
  state: () => undefined,
  listen: () => () => undefined,
};

export async function openTestKeyring(
  folder: string,
  clock: Clock,
  more: { readonly passphrase?: string; readonly gpg?: GpgPlace & { readonly key: string } } = {},
): Promise<Keyring> {
  return await Keyring.open({
    folder: join(folder, 'state/signing'),
    name: 'Test',
    email: 'test@example.org',
    validDays: VALID_DAYS,
    clock,
    ...more,
  });
}

/** The keys of an installation below `folder`, as after a start of the server. */
export async function openTestKeys(
  folder: string,
  {
    clock,
    journal,
    keyring,
    resigning,
    reseal,
  }: {
    readonly clock: Clock;
    readonly journal: Journal;
    readonly keyring?: Keyring;
    readonly resigning?: Resigning;
    readonly reseal?: () => Promise<unknown>;
  },
): Promise<FarmKeys> {
  const keys = new FarmKeys({
    keyring: keyring ?? (await openTestKeyring(folder, clock)),
    journal,
    clock,
    log: silentLog(),
    locks: new Locks(),
    resigning: resigning ?? noResign,
    ...(reseal === undefined ? {} : { reseal }),
    folder: join(folder, 'mirror-root/keys'),
    everyMs: NEVER_MS,
  });
  await keys.inspect();
  return keys;
}
