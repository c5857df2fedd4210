import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Event } from '../../../src/journal/event.ts';
import type { PackageRecord } from '../../../src/repository/package-record.ts';
import { findLastRefusal } from '../../../src/repository/refusal.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { newId } from '../../../src/support/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makePackage, makeProfile, type PackageChanges } from '../make-package.ts';
import { DEED, type Installation, openInstallation, push } from '../open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const testing = { ...DEED, profile: 'web', channel: 'testing' };
const stable = { ...DEED, profile: 'web', channel: 'stable' };
let installation: Installation;
let repository: Repository;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  installation = await openInstallation(join(folder, newId('installation')), new ManualClock());
  ({ repository } = installation);
});

afterEach(async () => {
  await installation.close();
});

async function add(cpv: string, metadata: PackageChanges['metadata'] = {}): Promise<PackageRecord> {
  return (await push(repository, await makePackage(made, cpv, { metadata }))).package;
}

async function refusals(): Promise<Event[]> {
  return await installation.journal.find({ kind: 'publication-refused', limit: 100 });
}

/** That a node has installed what this publication of testing shows. */
async function report(serial: number): Promise<void> {
  const shown = await repository.publications('web', 'testing', 10);
  const publication = shown.find((one) => one.serial === serial);
  const packages = await repository.packagesOfSnapshot(publication?.snapshotId ?? '');
  await installation.proofs.report(
    {
      node: 'pre1',
      profile: 'web',
      channel: 'testing',
      timestampSeconds: publication?.timestampSeconds ?? 0,
      checks: [],
      php: null,
      installed: packages.map(({ cpv, slot, buildId, buildTimeSeconds }) => ({
        cpv,
        slot,
        buildId,
        buildTime: buildTimeSeconds,
        repository: 'lab',
        use: '',
        provides: '',
      })),
    },
    'token:pre1',
  );
}

describe('a publication that is refused', () => {
  it('stands in the journal with what was found and has to be rebuilt, for as many as fit', async () => {
    await add('dev-libs/lib-1', { SLOT: '0/1' });
    await add('app-misc/a-1', { RDEPEND: 'dev-libs/lib:0/1=' });
    await repository.publish(testing);
    expect(await findLastRefusal(installation.journal, testing)).toBeUndefined();
    const lib = await add('dev-libs/lib-2', { SLOT: '0/2' });
    const none = Array.from({ length: 60 }, (_, at) => `dev-libs/none${at}`).join(' ');
    const many = await add('app-misc/many-1', { RDEPEND: none });
    const packageIds = [lib.id, many.id];
    await expect(
      repository.publish({ ...testing, packageIds, requestId: 'req-1' }),
    ).rejects.toMatchObject({ code: 'publication-refused' });
    const [event] = await refusals();
    expect(event).toMatchObject({
      subject: 'channel:web/testing',
      actor: DEED.author,
      data: {
        act: 'publish',
        code: 'publication-refused',
        message: expect.stringContaining('61 findings speak against publishing this on testing'),
        findingCount: 61,
        rebuild: ['app-misc/a:0'],
        request: 'req-1',
        reason: DEED.reason,
      },
    });
    const last = await findLastRefusal(installation.journal, testing);
    expect(last?.findings).toHaveLength(50);
    expect(last?.findings[0]).toEqual({
      id: expect.stringMatching(/^dependency-missing-/),
      kind: 'dependency-missing',
      cpv: 'app-misc/many-1',
      message: expect.stringContaining('needs dev-libs/none'),
      remedy: expect.stringContaining('Build what is missing'),
      rebuild: null,
    });
    expect(last).toMatchObject({ seq: event?.seq, act: 'publish', findingCount: 61 });
  });

  it('is one, too, when it is a promotion that nobody has proven, or would leave nothing', async () => {
    await add('app-misc/a-1');
    await repository.publish(testing);
    await expect(repository.promote(stable)).rejects.toMatchObject({
      code: 'promotion-not-proven',
    });
    expect((await refusals())[0]).toMatchObject({
      subject: 'channel:web/stable',
      data: {
        act: 'promote',
        code: 'promotion-not-proven',
        from: { channel: 'testing', serial: 1 },
        missing: [expect.stringContaining('needs 1 node')],
        findings: [],
      },
    });
    const empty = await findLastRefusal(installation.journal, stable);
    expect(empty).toMatchObject({ findings: [], missing: [expect.any(String)] });
  });

  it('is told of a rollback whose files are lost', async () => {
    await add('app-misc/a-1');
    await repository.publish(testing);
    const gone = await add('app-misc/b-1');
    await repository.publish(testing);
    await repository.rollback(testing);
    await rm(join(installation.folders.mirrorRoot, 'binhost/web/packages', gone.path));
    await expect(repository.rollback({ ...testing, serial: 2 })).rejects.toMatchObject({
      code: 'index-invalid',
    });
    expect((await refusals())[0]?.data).toMatchObject({
      act: 'rollback',
      code: 'index-invalid',
      to: 2,
      message: expect.stringContaining(gone.path),
    });
  });

  it('is over with the next publication, and not for who came too late or asks for nonsense', async () => {
    const { id } = await add('app-misc/a-1', { RDEPEND: 'dev-libs/none' });
    await expect(repository.publish(testing)).rejects.toMatchObject({});
    expect(await findLastRefusal(installation.journal, testing)).toBeDefined();
    expect(await findLastRefusal(installation.journal, stable)).toBeUndefined();
    await add('dev-libs/none-1');
    await repository.publish(testing);
    expect(await findLastRefusal(installation.journal, testing)).toBeUndefined();
    const nonsense = [
      { ...testing, expected: 7 },
      { ...testing, packageIds: ['pkg-none'] },
      { ...testing, packageIds: [id], allow: ['nothing-1'] },
    ];
    for (const one of nonsense) {
      await expect(repository.publish(one)).rejects.toMatchObject({});
    }
    expect(await refusals()).toHaveLength(1);
  });
});

describe('a publication straight to a later channel', () => {
  it('needs what a promotion would need: nodes that have proven these very contents', async () => {
    await add('app-misc/a-1');
    const unproven = { code: 'promotion-not-proven' };
    await expect(repository.publish(stable)).rejects.toMatchObject({
      ...unproven,
      message: expect.stringContaining('No channel before stable has ever shown these packages'),
    });
    await repository.publish(testing);
    await expect(repository.publish(stable)).rejects.toMatchObject({
      ...unproven,
      message: expect.stringContaining('Publication 1 of testing needs 1 node'),
    });
    await report(1);
    expect(await repository.publish(stable)).toMatchObject({ serial: 1, forced: null });
    await add('app-misc/b-1');
    await expect(repository.publish(stable)).rejects.toMatchObject(unproven);
    expect((await repository.publications('web', 'stable', 9)).map(({ serial }) => serial)).toEqual(
      [1],
    );
  });

  it('can be forced with a reason, which stands with it and in the journal', async () => {
    await add('app-misc/a-1');
    await expect(repository.publish({ ...stable, force: true, reason: ' ' })).rejects.toMatchObject(
      { code: 'reason-required' },
    );
    const publication = await repository.publish({ ...stable, force: true, reason: 'CVE' });
    const missing = [expect.stringContaining('No channel before stable')];
    expect(publication).toMatchObject({ kind: 'publish', forced: { missing } });
    const [event] = await installation.journal.latest(1);
    expect(event).toMatchObject({
      kind: 'published',
      data: { reason: 'CVE', forced: { missing } },
    });
  });

  it('is free on the first channel, and where the profile asks for no node', async () => {
    await push(repository, await makePackage(made, 'app-misc/a-1'), { profile: 'old' });
    const first = await repository.publish({ ...stable, profile: 'old', force: true });
    expect(first).toMatchObject({ channel: 'stable', forced: null });
    const free = { nodes: 0, checks: [], soakMs: 0, withinMs: null };
    installation.setProfiles([makeProfile('web', { promotion: { stable: free } })]);
    await add('app-misc/a-1');
    expect(await repository.publish(stable)).toMatchObject({ serial: 1, forced: null });
  });
});
