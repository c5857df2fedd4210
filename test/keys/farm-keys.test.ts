import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { FarmKeys } from '../../src/keys/farm-keys.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { newId } from '../../src/support/ids.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { often } from '../support/long-tests.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestKeyring, openTestKeys, VALID_DAYS } from './open-test-keys.ts';

const DAY_MS = 86_400_000;
const DEED = { actor: 'token:admin', reason: 'because' };
const folder = temporaryFolder();
const databases: Database[] = [];

afterAll(async () => {
  await Promise.all(databases.map(async (database) => await database.destroy()));
});

interface Farm {
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly keys: FarmKeys;
  readonly read: (name: string) => string;
  readonly published: () => string;
  readonly signatures: () => string[];
  readonly kinds: () => Promise<string[]>;
  readonly restarted: () => Promise<FarmKeys>;
}

async function makeFarm(): Promise<Farm> {
  const place = join(folder, newId('farm'));
  const clock = new ManualClock();
  const keyring = await openTestKeyring(place, clock);
  const database = await openDatabase(join(place, 'state/rookery.sqlite'), clock);
  databases.push(database);
  const journal = new Journal(database, clock);
  const keys = await openTestKeys(place, { clock, journal, keyring });
  const shown = join(place, 'mirror-root/keys');
  return {
    clock,
    journal,
    keys,
    read: (name) => readFileSync(join(shown, name), 'utf8'),
    published: () => readFileSync(join(shown, 'rookery.asc'), 'utf8'),
    signatures: () => readdirSync(shown).filter((name) => name.endsWith('.sig')),
    kinds: async () => (await journal.latest(100)).map(({ kind }) => kind).toReversed(),
    restarted: async () => await openTestKeys(place, { clock, journal }),
  };
}

const rotation = { ...DEED, key: { kind: 'primary' }, resign: false, now: false } as const;

describe('the life of the keys', () => {
  it('publishes the next key, lets it take over in time, and keeps what the journal needs', async () => {
    const { keys, clock, published, kinds, journal } = await makeFarm();
    const before = keys.fingerprint();
    expect(published()).toBe(keys.publicKeys());

    await keys.rotate({ ...rotation, overlapMs: 3 * DAY_MS });
    const next = keys.list().find(({ state }) => state === 'next');
    expect(next?.takesOverAt).toBe(clock.now() + 3 * DAY_MS);
    expect(published()).toBe(keys.publicKeys());
    expect(keys.acceptedFingerprints()).toContain(next?.fingerprint);
    clock.advance(3 * DAY_MS - 1);
    await keys.settle();
    expect(keys.fingerprint()).toBe(before);
    clock.advance(1);
    await keys.settle();
    expect(keys.fingerprint()).toBe(next?.primaryFingerprint);
    expect(published()).toBe(keys.publicKeys());

    expect(await kinds()).toEqual(['key-made', 'key-took-over']);
    const [took, made] = await journal.latest(10, `key:${next?.fingerprint}`);
    expect(made).toMatchObject({ actor: 'token:admin', data: { reason: 'because' } });
    expect(took).toMatchObject({ actor: 'server', data: { after: next?.fingerprint } });
  });

  it('lets one that waits take over at once', async () => {
    const { keys, kinds } = await makeFarm();
    await keys.rotate({ ...rotation, overlapMs: DAY_MS });
    const next = keys.list().find(({ state }) => state === 'next');
    await keys.rotate({ ...rotation, overlapMs: DAY_MS, now: true });
    expect(keys.fingerprint()).toBe(next?.primaryFingerprint);
    await keys.rotate({ ...rotation, key: { kind: 'subkey' }, overlapMs: DAY_MS, now: true });
    expect(keys.fingerprint()).toBe(next?.primaryFingerprint);
    expect(keys.list().map(({ state }) => state)).toEqual(
      expect.arrayContaining(['previous', 'previous', 'current']),
    );
    expect(await kinds()).toEqual(['key-made', 'key-took-over', 'key-made', 'key-took-over']);
  });

  it('signs the public keys for everybody who knows one of them', async () => {
    const { keys, clock, published, signatures, read } = await makeFarm();
    const before = published();
    await keys.rotate({ ...rotation, overlapMs: DAY_MS, now: true });
    const [mark, former] = [published(), before].map((text) =>
      createHash('sha256').update(text).digest('hex').slice(0, 16),
    );
    const signers = keys.list().map(({ fingerprint }) => fingerprint);
    expect(
      signatures()
        .filter((name) => name.includes(mark ?? ''))
        .toSorted(),
    ).toEqual(signers.map((one) => `rookery.asc.${mark}.${one}.sig`).toSorted());
    expect(former).not.toBe(mark);

    await keys.extend({ ...DEED, days: 500 });
    await keys.extend({ ...DEED, days: 600 });
    expect(signatures().some((name) => name.includes(former ?? ''))).toBe(false);
    expect(signatures().length).toBeLessThanOrEqual(4);
    const last = createHash('sha256').update(published()).digest('hex').slice(0, 16);
    const old = keys.list().find(({ state }) => state === 'previous')?.fingerprint ?? '';
    const verifier = await createVerifier([before], { clock });
    const state = createHash('sha512').update(published());
    const signature = read(`rookery.asc.${last}.${old}.sig`);
    expect(await verifier.verifyState(state, signature)).toBe(old);
  });

  it('tells of the end of a key once per threshold, until it is extended', async () => {
    const { keys, clock, kinds, journal } = await makeFarm();
    const days = async (): Promise<unknown[]> =>
      (await journal.latest(100)).map(({ data }) => data['days']).toReversed();
    expect(keys.warnings()).toEqual([]);
    clock.advance((VALID_DAYS - 59) * DAY_MS);
    await keys.inspect();
    await keys.inspect();
    expect(await days()).toEqual([60]);
    expect(keys.warnings()).toMatchObject([{ daysLeft: 59 }]);
    clock.advance(52 * DAY_MS);
    await keys.inspect();
    expect(await days()).toEqual([60, 7]);
    clock.advance(8 * DAY_MS);
    await keys.inspect();
    expect(await kinds()).toEqual(['key-expiring', 'key-expiring', 'key-expired']);
    expect(keys.warnings()[0]?.message).toMatch(/expired on 2026-.*rookery key extend/);

    await keys.extend({ ...DEED, days: 90 });
    expect(keys.warnings()).toEqual([]);
    clock.advance(31 * DAY_MS);
    await keys.inspect();
    expect((await kinds()).slice(-2)).toEqual(['key-extended', 'key-expiring']);
  });

  it('comes back after a restart as it was', async () => {
    const { keys, restarted, kinds } = await makeFarm();
    await keys.rotate({ ...rotation, overlapMs: DAY_MS, resign: true });
    const again = await restarted();
    expect(again.list()).toEqual(keys.list());
    expect(again.publicKeys()).toBe(keys.publicKeys());
    expect(await kinds()).toEqual(['key-made']);
  });

  it('can be cut off before any step of it, and the next start completes or undoes it', async () => {
    const program = resolve(import.meta.dirname, 'stop-rotation.ts');
    const { stdout } = await runChecked(
      [process.execPath, '--import', 'tsx', program, join(folder, 'stopped'), String(often(1, 2))],
      { env: toolEnvironment(), timeoutMs: 400_000 },
    );
    const { stops, faults } = z
      .object({ stops: z.record(z.string(), z.number()), faults: z.array(z.string()) })
      .parse(JSON.parse(stdout.toString()));
    expect(faults).toEqual([]);
    expect(Object.keys(stops)).toEqual(['rotate', 'take over', 'rotate now', 'extend', 'revoke']);
    expect(Math.min(...Object.values(stops))).toBeGreaterThan(5);
  }, 410_000);
});
