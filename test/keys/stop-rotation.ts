/**
 * A program, started by farm-keys.test.ts: stops each change of the keys before its first change on disk, then before
 * its second, and so on. After every stop the keys are opened anew, as by the next start of a server, and looked at.
 * Prints `{ stops, faults }` as JSON.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import type { FarmKeys } from '../../src/keys/farm-keys.ts';
import type { KeyView } from '../../src/signing/keyring/keyring.ts';
import { runStopped } from '../support/stoppable-files.ts';

const { openDatabase } = await import('../../src/database/database.ts');
const { Journal } = await import('../../src/journal/journal.ts');
const { primaryFingerprints } = await import('../../src/signing/public-keys.ts');
const { newId } = await import('../../src/support/ids.ts');
const { ManualClock } = await import('../support/manual-clock.ts');
const { openTestKeyring, openTestKeys } = await import('./open-test-keys.ts');
const { unfinishedIn } = await import('./unfinished-keys.ts');

const DAY_MS = 86_400_000;
/** It is stopped before each so manieth step. */
const EVERY = Number(argv[3] ?? 1);
const MAX_CALLS = 200;
const DEED = { actor: 'token:admin', reason: 'because' };
const rotation = { ...DEED, key: { kind: 'primary' }, overlapMs: DAY_MS, resign: false } as const;
const faults: string[] = [];
const stops: Record<string, number> = {};

interface Step {
  readonly prepare: (keys: FarmKeys, pass: (ms: number) => void) => Promise<void>;
  readonly change: (keys: FarmKeys) => Promise<unknown>;
  /** Events of the journal that there are exactly once when it is done. */
  readonly kinds: readonly string[];
}

const STEPS: Readonly<Record<string, Step>> = {
  rotate: {
    prepare: async () => undefined,
    change: async (keys) => await keys.rotate({ ...rotation, now: false }),
    kinds: ['key-made'],
  },
  'take over': {
    prepare: async (keys, pass) => {
      await keys.rotate({ ...rotation, now: false });
      pass(DAY_MS);
    },
    change: async (keys) => {
      await keys.settle();
    },
    kinds: ['key-made', 'key-took-over'],
  },
  'rotate now': {
    prepare: async () => undefined,
    change: async (keys) => await keys.rotate({ ...rotation, overlapMs: 0, now: true }),
    kinds: ['key-made', 'key-took-over'],
  },
  extend: {
    prepare: async () => undefined,
    change: async (keys) => await keys.extend({ ...DEED, days: 500 }),
    kinds: ['key-extended'],
  },
  revoke: {
    prepare: async (keys) => {
      await keys.rotate({ ...rotation, now: true });
    },
    change: async (keys) => {
      const old = keys.list().find(({ state }) => state === 'previous');
      const fingerprint = old?.fingerprint ?? '';
      return await keys.revoke({ ...DEED, fingerprint, cause: 'compromised' });
    },
    kinds: ['key-made', 'key-took-over', 'key-revoked'],
  },
};

function faultsOfKeys(
  before: readonly KeyView[],
  keys: FarmKeys,
  { published, known }: { readonly published: string; readonly known: readonly string[] },
): string[] {
  const list = keys.list();
  const isPublished =
    published === keys.publicKeys() && list.every((key) => known.includes(key.primaryFingerprint));
  const isComplete = before.every((key) => list.some((one) => one.fingerprint === key.fingerprint));
  return [
    ...(isPublished ? [] : ['the public keys are not those of the keyring']),
    ...(isComplete ? [] : ['a key is lost']),
    ...(list.filter(({ state }) => state === 'current').length === 1
      ? []
      : ['there is not one key that signs']),
  ];
}

function faultsOfJournal(
  kinds: readonly string[],
  step: Step,
  { isChanged, isFinished }: { readonly isChanged: boolean; readonly isFinished: boolean },
): string[] {
  const twice = kinds.filter((kind, index) => kinds.indexOf(kind) !== index);
  const isWhole = kinds.toSorted().join() === step.kinds.toSorted().join();
  return [
    ...twice.map((kind) => `${kind} is in the journal more than once`),
    ...(isChanged && kinds.length === 0 ? ['a change is not in the journal'] : []),
    ...(isFinished && !isWhole ? [`the journal has ${kinds.join(', ')}`] : []),
  ];
}

async function stopOnce(name: string, step: Step, calls: number): Promise<boolean> {
  const place = join(argv[2] ?? '', newId('stop'));
  const clock = new ManualClock();
  const keyring = await openTestKeyring(place, clock);
  const database = await openDatabase(join(place, 'state/rookery.sqlite'), clock);
  try {
    const journal = new Journal(database, clock);
    const first = await openTestKeys(place, { clock, journal, keyring });
    await step.prepare(first, (ms) => {
      clock.advance(ms);
    });
    const before = first.list();
    const finished = await runStopped(async () => await step.change(first), calls);
    const second = await openTestKeys(place, { clock, journal });
    const kinds = (await journal.latest(100)).map(({ kind }) => kind);
    const published = readFileSync(join(place, 'mirror-root/keys/rookery.asc'), 'utf8');
    const known = await primaryFingerprints(published);
    const found = [
      ...(await unfinishedIn(place)).map((unfinished) => `left over: ${unfinished}`),
      ...faultsOfKeys(before, second, { published, known }),
      ...faultsOfJournal(kinds, step, {
        isChanged: JSON.stringify(second.list()) !== JSON.stringify(before),
        isFinished: finished !== undefined,
      }),
    ];
    faults.push(...found.map((fault) => `${name} ${calls}: ${fault}`));
    return finished !== undefined;
  } finally {
    await database.destroy();
  }
}

for (const [name, step] of Object.entries(STEPS)) {
  let calls = 0;
  while (!(await stopOnce(name, step, calls)) && calls < MAX_CALLS) {
    calls += EVERY;
  }
  stops[name] = calls;
}
process.stdout.write(JSON.stringify({ stops, faults }));
process.exit(0);
