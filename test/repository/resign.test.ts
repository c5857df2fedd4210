import { appendFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { openRepository } from '../../src/repository/create-repository.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { Repository } from '../../src/repository/repository.ts';
import type { ResignState, ResignTask } from '../../src/repository/resign/resign-task.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { newId } from '../../src/support/ids.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { often } from '../support/long-tests.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectTree } from './inspect-tree.ts';
import { catalogOf, makePackage } from './make-package.ts';
import {
  DEED,
  type Installation,
  openInstallation,
  openTestSigner,
  PROFILES,
  push,
} from './open-installation.ts';

const folder = temporaryFolder();
const ON_TESTING = { ...DEED, profile: 'web', channel: 'testing' };
const ON_STABLE = { ...DEED, profile: 'web', channel: 'stable' };

interface Farm {
  readonly installation: Installation;
  readonly clock: ManualClock;
  readonly signer: Signer;
  readonly resign: ResignTask;
  /** The repository that the next key signs for. */
  readonly next: Repository;
}

/** A repository whose packages one key has signed, and the task of another one. */
async function makeFarm(): Promise<Farm> {
  const place = join(folder, newId('farm'));
  const clock = new ManualClock();
  const installation = await openInstallation(place, clock);
  const signer = await openTestSigner(join(place, 'next'), clock);
  const { resign, repository: next } = openedFor(signer, installation, clock);
  for (const name of ['one', 'two']) {
    await push(
      installation.repository,
      await makePackage(folder, `app-misc/${name}${newId('x').slice(2)}-1`),
    );
  }
  await installation.repository.publish(ON_TESTING);
  await installation.repository.promote({ ...ON_STABLE, force: true });
  clock.advance(60_000);
  return { installation, clock, signer, resign, next };
}

function openedFor(signer: Signer, installation: Installation, clock: ManualClock) {
  return openRepository({
    ...installation,
    clock,
    log: silentLog(),
    locks: new Locks(),
    signer: () => signer,
    profiles: catalogOf(PROFILES),
    maxUploadBytes: 1024,
  });
}

async function run(resign: ResignTask, id: string): Promise<ResignState> {
  resign.begin({ id });
  return await poll('the end of the signing', () => {
    const state = resign.state();
    return state?.state === 'running' ? undefined : state;
  });
}

async function shownOn({ installation }: Farm, channel: string): Promise<PackageRecord[]> {
  const shown = await installation.repository.currentPublication('web', channel);
  return await installation.repository.packagesOfSnapshot(shown?.snapshotId ?? '');
}

function binhost({ installation }: Farm): string {
  return join(installation.folders.mirrorRoot, 'binhost/web/packages');
}

async function verified(farm: Farm, record: PackageRecord, publicKey: string) {
  const source = await openByteSource(join(binhost(farm), record.path));
  try {
    const verifier = await createVerifier([publicKey], { clock: farm.clock });
    return await verifyGpkg(source, { verifier, signatures: 'required' });
  } finally {
    await source.close();
  }
}

describe('signing again', () => {
  it('makes a build of its own of each package, and publishes it on each channel', async () => {
    const farm = await makeFarm();
    const { installation, resign, signer } = farm;
    const before = await shownOn(farm, 'testing');
    const ended = await run(resign, 'resign-1');

    expect(ended).toMatchObject({ state: 'done', done: 2, total: 2, skipped: [], error: null });
    expect(resign.isDone('resign-1')).toBe(true);
    for (const channel of ['testing', 'stable']) {
      const after = await shownOn(farm, channel);
      expect(after.map(({ keyFingerprint }) => keyFingerprint)).toEqual([
        signer.fingerprint,
        signer.fingerprint,
      ]);
      for (const [index, record] of after.entries()) {
        const old = before[index];
        expect(record).toMatchObject({
          cpv: old?.cpv,
          buildId: (old?.buildId ?? 0) + 1,
          buildTimeSeconds: old?.buildTimeSeconds,
          inputs: old?.inputs,
          origin: `resign:${old?.id}`,
        });
        const fresh = await verified(farm, record, signer.publicKey);
        const former = old && (await verified(farm, old, installation.publicKey));
        expect(fresh.imageMember.sha512).toBe(former?.imageMember.sha512);
        expect(fresh.metadata.get('BUILD_ID')?.toString()).toMatch(/^2\n?$/);
      }
    }
    expect(await inspectTree(installation)).toEqual([]);
    const [event] = await installation.journal.latest(1, `key:${signer.fingerprint}`);
    expect(event).toMatchObject({
      kind: 'resigned',
      data: { packages: 2, skipped: [], publications: ['web/testing 2', 'web/stable 2'] },
    });
    await installation.close();
  });

  it('changes nothing where nothing is left to be signed', async () => {
    const farm = await makeFarm();
    await run(farm.resign, 'resign-1');
    const before = await farm.installation.repository.publications('web', 'testing', 10);
    expect(await run(farm.resign, 'resign-2')).toMatchObject({ state: 'done', total: 0 });
    farm.resign.begin({ id: 'resign-2' });
    expect(farm.resign.state()?.state).toBe('done');
    expect(await farm.installation.repository.publications('web', 'testing', 10)).toEqual(before);
    await farm.installation.close();
  });

  it('leaves alone a package whose bytes are not what was signed', async () => {
    const farm = await makeFarm();
    const [damaged, sound] = await shownOn(farm, 'testing');
    await appendFile(join(binhost(farm), damaged?.path ?? ''), 'x');
    expect(await run(farm.resign, 'resign-1')).toMatchObject({
      state: 'done',
      error: null,
      skipped: [{ id: damaged?.id, reason: expect.stringContaining('is not what was signed') }],
      refused: ['testing', 'stable'].map((channel) =>
        expect.stringMatching(`on ${channel} of web.*${damaged?.cpv}`),
      ),
    });
    expect(farm.resign.isDone('resign-1')).toBe(true);
    const [event] = await farm.installation.journal.latest(1, `key:${farm.signer.fingerprint}`);
    expect(event?.data).toMatchObject({ packages: 1, publications: [] });
    expect(event?.data['refused']).toHaveLength(2);
    expect(await shownOn(farm, 'testing')).toEqual([damaged, sound]);
    const shown = await farm.installation.repository.packagesByCpv('web', damaged?.cpv ?? '');
    expect(shown.map(({ id }) => id)).toEqual([damaged?.id]);
    expect(await farm.installation.repository.packagesByCpv('web', sound?.cpv ?? '')).toHaveLength(
      2,
    );
    await farm.installation.close();
  });

  it('keeps what preproduction has proven, also of nodes that have the build of before', async () => {
    const { installation, resign, clock, next } = await makeFarm();
    const strict = { profile: 'strict', channel: 'testing' };
    const file = await makePackage(folder, 'app-misc/proven-1');
    const { package: record } = await push(installation.repository, file, strict);
    const first = await installation.repository.publish({ ...DEED, ...strict });
    const report = async (node: string, timestampSeconds: number) =>
      await installation.proofs.report(
        {
          ...strict,
          node,
          timestampSeconds,
          installed: [
            {
              cpv: record.cpv,
              slot: record.slot,
              buildId: record.buildId,
              buildTime: record.buildTimeSeconds,
              repository: 'lab',
              use: '',
              provides: '',
            },
          ],
          checks: [{ name: 'http', passed: true, output: '' }],
          php: null,
        },
        `token:${node}`,
      );
    await report('pre1', first.timestampSeconds);
    await report('pre2', first.timestampSeconds);
    clock.advance(3_600_000);

    await run(resign, 'resign-1');
    await run(resign, 'resign-2');
    const second = await installation.repository.currentPublication('strict', 'testing');
    expect(second?.serial).toBe(2);
    expect(await installation.proofs.proof('strict', 'stable')).toMatchObject({
      serial: 2,
      isProven: true,
    });
    const again = await report('pre1', second?.timestampSeconds ?? 0);
    expect(again).toMatchObject({ counts: true, record: { serial: 2, differs: 0 } });
    const promoted = await next.promote({ ...DEED, profile: 'strict', channel: 'stable' });
    expect(promoted).toMatchObject({ snapshotId: second?.snapshotId, forced: null });
    await installation.close();
  });

  it('signs nothing twice when a channel went back to what the old key had signed', async () => {
    const farm = await makeFarm();
    const { installation, resign } = farm;
    await run(resign, 'resign-1');
    const signed = await shownOn(farm, 'testing');
    await installation.repository.rollback({ ...ON_TESTING, serial: 1 });
    expect(await shownOn(farm, 'testing')).not.toEqual(signed);
    expect(await run(resign, 'resign-2')).toMatchObject({ state: 'done', refused: [] });
    expect(await shownOn(farm, 'testing')).toEqual(signed);
    await installation.close();
  });

  it('signs the same package with each further key, and knows its file of before', async () => {
    const farm = await makeFarm();
    const { installation, clock, resign } = farm;
    const [old] = await shownOn(farm, 'testing');
    await run(resign, 'resign-1');
    await installation.repository.rollback({ ...ON_TESTING, serial: 1 });
    const third = await openTestSigner(join(folder, newId('third')), clock);
    const ended = await run(openedFor(third, installation, clock).resign, 'resign-2');
    expect(ended).toMatchObject({ state: 'done', error: null, refused: [], skipped: [] });
    for (const record of await shownOn(farm, 'testing')) {
      expect(record).toMatchObject({ keyFingerprint: third.fingerprint, buildId: 3 });
      const provenance = JSON.parse(record.metadata['ROOKERY_PROVENANCE'] ?? '');
      expect(provenance).toMatchObject({ formerBuildIds: [1, 2] });
    }
    const file = join(binhost(farm), old?.path ?? '');
    expect(await push(installation.repository, file)).toEqual({ package: old, created: false });
    await installation.close();
  });

  it('can be cut off before any step, from the new key to the journal, and goes on from there', async () => {
    const program = resolve(import.meta.dirname, 'stop-resign.ts');
    const { stdout } = await runChecked(
      [process.execPath, '--import', 'tsx', program, join(folder, 'stopped'), String(often(1, 3))],
      { env: toolEnvironment(), timeoutMs: 400_000 },
    );
    const { stops, faults } = z
      .object({ stops: z.number(), faults: z.array(z.string()) })
      .parse(JSON.parse(stdout.toString()));
    expect(faults).toEqual([]);
    expect(stops).toBeGreaterThan(60);
  }, 410_000);
});
