/**
 * A program, started by resign.test.ts: stops a rotation that signs again, from the new key to the last line in the
 * journal, before its first change on disk, then before its second, and so on. After every stop keys and repository
 * are opened anew, as by the next start of a server, which goes on by itself. Either nothing has happened at all, or everything
 * has: disk and database have to agree, no package may be signed twice, and nothing may be left to be done. Prints
 * `{ stops, faults }` as JSON.
 */
import { join } from 'node:path';
import { argv } from 'node:process';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import { runStopped } from '../support/stoppable-files.ts';

const { openRepository } = await import('../../src/repository/create-repository.ts');
const { newId } = await import('../../src/support/ids.ts');
const { Locks } = await import('../../src/support/locks.ts');
const { silentLog } = await import('../../src/support/log.ts');
const { runChecked, toolEnvironment } = await import('../../src/support/processes.ts');
const { openTestKeyring, openTestKeys } = await import('../keys/open-test-keys.ts');
const { unfinishedIn } = await import('../keys/unfinished-keys.ts');
const { ManualClock } = await import('../support/manual-clock.ts');
const { poll } = await import('../support/poll.ts');
const { inspectTree } = await import('./inspect-tree.ts');
const { catalogOf, makePackage } = await import('./make-package.ts');
const { DEED, openInstallation, PROFILES, push } = await import('./open-installation.ts');

const MAX_CALLS = 400;
const folder = argv[2] ?? '';
/** It is stopped before each so manieth step. */
const EVERY = Number(argv[3] ?? 1);
const faults: string[] = [];
type Installation = Awaited<ReturnType<typeof openInstallation>>;
type Clock = InstanceType<typeof ManualClock>;

/** As the composition root does it. */
async function open(place: string, installation: Installation, clock: Clock) {
  const keyring = await openTestKeyring(place, clock);
  const { journal } = installation;
  const opened = openRepository({
    ...installation,
    clock,
    log: silentLog(),
    locks: new Locks(),
    signer: () => keyring.signer(),
    currentKeys: () => new Set(keyring.acceptedFingerprints()),
    profiles: catalogOf(PROFILES),
    maxUploadBytes: 1024,
  });
  await opened.repository.recover();
  const keys = await openTestKeys(place, { clock, journal, keyring, resigning: opened.resign });
  /** Signing again ends in the background; the clockwork of the keys looks at it every minute. */
  const settle = async (): Promise<void> => {
    await poll('the end', () => opened.resign.state()?.state !== 'running' || undefined);
    await keys.settle();
  };
  return { ...opened, keyring, keys, settle };
}

type Opened = Awaited<ReturnType<typeof open>>;

async function rotate({ keys, settle }: Opened): Promise<void> {
  await keys.rotate({
    actor: 'token:admin',
    reason: 'because',
    key: { kind: 'primary' },
    overlapMs: 0,
    now: true,
    resign: true,
  });
  await settle();
}

async function faultsOf(
  { repository, keyring }: { readonly repository: Opened['repository']; readonly keyring: Keyring },
  { journal }: Installation,
  isFinished: boolean,
): Promise<string[]> {
  const shown = await repository.currentPublication('web', 'testing');
  const packages = await repository.packagesOfSnapshot(shown?.snapshotId ?? '');
  const all = await repository.searchPackages({ profile: 'web', limit: 100, offset: 0 });
  const events = (await journal.latest(100)).map(({ kind }) => kind);
  const isRotated =
    keyring.views().length === 2 && keyring.views().every((key) => key.state !== 'next');
  const count = (kind: string): number => events.filter((one) => one === kind).length;
  const wanted = isRotated ? 1 : 0;
  const isWrong: Readonly<Record<string, boolean>> = {
    'what was done is gone': isFinished && !isRotated,
    'signing again is not known to be done': keyring.resignTask() !== undefined,
    'the channel shows packages of another key': packages.some(
      (one) => one.keyFingerprint !== keyring.signer().fingerprint,
    ),
    [`there are ${all.packages.length} packages`]:
      all.packages.length !== packages.length * (1 + wanted),
    [`the channel shows ${shown?.serial}`]: shown?.serial !== 1 + wanted,
  };
  return [
    ...Object.keys(isWrong).filter((fault) => isWrong[fault]),
    ...['key-made', 'key-took-over', 'resigned']
      .filter((kind) => count(kind) !== wanted)
      .map((kind) => `the journal has ${kind} ${count(kind)} times`),
  ];
}

/** What is there before every rotation. */
async function prepare(): Promise<string> {
  const place = join(folder, 'kept');
  const installation = await openInstallation(place, new ManualClock());
  const { repository } = installation;
  await push(repository, await makePackage(place, 'app-misc/one-1'));
  await repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
  await installation.close();
  return place;
}

async function stopOnce(kept: string, calls: number): Promise<boolean> {
  const place = join(folder, newId('stop'));
  await runChecked(['cp', '-a', kept, place], { env: toolEnvironment(), timeoutMs: 60_000 });
  const clock = new ManualClock();
  const installation = await openInstallation(place, clock);
  try {
    const first = await open(place, installation, clock);
    clock.advance(60_000);
    const finished = await runStopped(async () => {
      await rotate(first);
    }, calls);
    clock.advance(60_000);
    const second = await open(place, installation, clock);
    await second.settle();
    const found = [
      ...(await inspectTree(installation)),
      ...(await unfinishedIn(place)).map((name) => `left over: ${name}`),
      ...(await faultsOf(second, installation, finished !== undefined)),
    ];
    faults.push(...found.map((fault) => `${calls}: ${fault}`));
    return finished !== undefined;
  } finally {
    await installation.close();
  }
}

let stops = 0;
const kept = await prepare();
while (!(await stopOnce(kept, stops)) && stops < MAX_CALLS) {
  stops += EVERY;
}
process.stdout.write(JSON.stringify({ stops, faults }));
process.exit(0);
