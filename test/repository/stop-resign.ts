/**
 * A program, started by resign.test.ts: stops the signing again before its first change on disk, then before its
 * second, and so on. After every stop another process's repository recovers and goes on with the same work; disk and
 * database have to agree before and after, and no package may be signed twice. Prints `{ stops, faults }` as JSON.
 */
import { join } from 'node:path';
import { argv } from 'node:process';
import type { Signer } from '../../src/signing/signer.ts';
import { runStopped } from '../support/stoppable-files.ts';

const { openRepository } = await import('../../src/repository/create-repository.ts');
const { Locks } = await import('../../src/support/locks.ts');
const { silentLog } = await import('../../src/support/log.ts');
const { ManualClock } = await import('../support/manual-clock.ts');
const { poll } = await import('../support/poll.ts');
const { inspectTree } = await import('./inspect-tree.ts');
const { catalogOf, makePackage } = await import('./make-package.ts');
const { DEED, openInstallation, openTestSigner, PROFILES, push } = await import(
  './open-installation.ts'
);

const MAX_CALLS = 300;
const folder = argv[2] ?? '';
const clock = new ManualClock();
const installation = await openInstallation(folder, clock);
const faults: string[] = [];

function opened(signer: Signer): ReturnType<typeof openRepository> {
  return openRepository({
    ...installation,
    clock,
    log: silentLog(),
    locks: new Locks(),
    signer,
    profiles: catalogOf(PROFILES),
    maxUploadBytes: 1024,
  });
}

async function finish(
  { resign }: ReturnType<typeof openRepository>,
  id: string,
): Promise<string | undefined> {
  resign.begin({ id });
  return await poll('the end', () =>
    resign.state()?.state === 'running' ? undefined : resign.state()?.state,
  );
}

async function stopOnce(calls: number): Promise<boolean> {
  const signer = await openTestSigner(join(folder, `key-${calls}`), clock);
  const task = `resign-${calls}`;
  const finished = await runStopped(async () => await finish(opened(signer), task), calls);
  const second = opened(signer);
  await second.repository.recover();
  const found = await inspectTree(installation);
  const state = await finish(second, task);
  found.push(...(await inspectTree(installation)));
  const shown = await second.repository.currentPublication('web', 'testing');
  const packages = await second.repository.packagesOfSnapshot(shown?.snapshotId ?? '');
  const mine = (
    await second.repository.searchPackages({ profile: 'web', limit: 10_000, offset: 0 })
  ).packages.filter(({ keyFingerprint }) => keyFingerprint === signer.fingerprint);
  if (state !== 'done' || packages.some((one) => one.keyFingerprint !== signer.fingerprint)) {
    found.push(`${state}: the channel shows packages of another key`);
  }
  if (mine.length !== packages.length) {
    found.push(`${mine.length} packages were signed instead of ${packages.length}`);
  }
  faults.push(...found.map((fault) => `${calls}: ${fault}`));
  clock.advance(60_000);
  return finished !== undefined;
}

await push(installation.repository, await makePackage(folder, 'app-misc/one-1'));
await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
let stops = 0;
while (!(await stopOnce(stops)) && stops < MAX_CALLS) {
  stops += 1;
}
await installation.close();
process.stdout.write(JSON.stringify({ stops, faults }));
process.exit(0);
