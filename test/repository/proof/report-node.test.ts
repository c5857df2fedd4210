import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { PackageRecord } from '../../../src/repository/package-record.ts';
import type { InstalledPackage, NodeReport } from '../../../src/repository/proof/node-report.ts';
import { installedOn, publicationsInUse } from '../../../src/repository/proof/node-store.ts';
import type { ReportOutcome } from '../../../src/repository/proof/report-node.ts';
import type { PublicationRecord } from '../../../src/repository/publication.ts';
import { newId } from '../../../src/support/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makePackage, type PackageChanges } from '../make-package.ts';
import { DEED, type Installation, openInstallation, push } from '../open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const HOUR = 3_600_000;
let clock: ManualClock;
let installation: Installation;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  clock = new ManualClock();
  installation = await openInstallation(join(folder, newId('installation')), clock);
});

afterEach(async () => {
  await installation.close();
});

async function add(
  cpv: string,
  changes: PackageChanges = {},
  profile = 'web',
): Promise<PackageRecord> {
  const file = await makePackage(made, cpv, changes);
  return (await push(installation.repository, file, { profile })).package;
}

async function publish(profile = 'web'): Promise<PublicationRecord> {
  return await installation.repository.publish({ ...DEED, profile, channel: 'testing' });
}

/** As Portage writes it down when it installs this package. */
function installed(record: PackageRecord, changes: Partial<InstalledPackage> = {}) {
  const { cpv, slot, buildId, buildTimeSeconds } = record;
  const one = { cpv, slot, buildId, buildTime: buildTimeSeconds };
  return { ...one, repository: 'lab', use: 'amd64', provides: '', ...changes };
}

async function report(
  publication: Pick<PublicationRecord, 'profile' | 'timestampSeconds'>,
  packages: readonly InstalledPackage[],
  values: Partial<NodeReport> = {},
): Promise<ReportOutcome> {
  const { profile, timestampSeconds } = publication;
  const node = values.node ?? 'pre1';
  const base = { node, profile, channel: 'testing', timestampSeconds, checks: [], php: null };
  return await installation.proofs.report(
    { ...base, installed: packages, ...values },
    `token:${node}`,
  );
}

const passed = (name: string) => ({ name, passed: true, output: '' });
const failed = (name: string, output = '') => ({ name, passed: false, output });
const promote = async (profile: string, more: object = {}) =>
  await installation.repository.promote({ ...DEED, profile, channel: 'stable', ...more });

const lacks = async () => (await installation.proofs.proof('strict', 'stable')).missing;

describe('a report', () => {
  it('counts when what is installed of the publication is its very builds', async () => {
    const a = await add('app-misc/a-1', { slot: '0/3' });
    await add('app-misc/never-installed-1');
    const publication = await publish();
    const base = installed(a, { cpv: 'sys-libs/glibc-2.40', buildId: null });

    const { counts, answer, record } = await report(publication, [installed(a), base]);

    expect(counts).toBe(true);
    expect(answer).toBe(
      'pre1 has publication 1 of web/testing: 1 package as published, no checks were run.',
    );
    expect(record).toMatchObject({ serial: 1, differs: 0, installedCount: 2 });
    expect(await installation.proofs.node('pre1')).toEqual([record]);
    expect(await installedOn(installation.database, 'pre1')).toEqual([
      { profile: 'web', reportedAt: clock.now(), packages: [installed(a), base] },
    ]);
    expect(await publicationsInUse(installation.database, clock.now())).toEqual([
      { profile: 'web', channel: 'testing', serial: 1, node: 'pre1', reportedAt: clock.now() },
    ]);
    expect(await publicationsInUse(installation.database, clock.now() + 1)).toEqual([]);
  });

  it('names each package that is another build', async () => {
    const old = await add('app-misc/a-1');
    const b = await add('app-misc/b-1');
    const c = await add('app-misc/c-1', { slot: '2/1' });
    const d = await add('app-misc/d-1');
    await add('app-misc/a-1', { buildTime: 1_767_000_999 });
    const publication = await publish();

    const { counts, answer, record } = await report(publication, [
      installed(old),
      installed(b, { buildTime: 5 }),
      installed(c, { cpv: 'app-misc/c-0.9', buildId: null }),
      installed(d),
    ]);

    expect([counts, record.differs]).toEqual([false, 3]);
    expect(answer).toBe(
      'pre1 does not count for publication 1 of web/testing: 3 packages differ: ' +
        'app-misc/a:0: installed is app-misc/a-1 build 1, published is app-misc/a-1 build 2; ' +
        'app-misc/b:0: installed is app-misc/b-1 build 1 with BUILD_TIME 5, published is app-misc/b-1 build 1 with BUILD_TIME 1767000000; ' +
        'app-misc/c:2: installed is app-misc/c-0.9 without a build number, published is app-misc/c-1 build 1.',
    );
  });

  it.each([
    [
      'nothing of it is installed',
      { installed: [] },
      'pre1 does not count for publication 1 of web/testing: nothing of it is installed.',
    ],
    [
      'it has no index',
      { timestampSeconds: null },
      'pre1 does not count: Portage has fetched no index of testing of web yet.',
    ],
    [
      'its index is nobody’s',
      { timestampSeconds: 7 },
      'pre1 does not count: no publication of testing of web has the TIMESTAMP 7.',
    ],
    [
      'a check failed',
      { checks: [passed('http'), failed('php', 'no opcache\nmore')] },
      'pre1 does not count for publication 1 of web/testing: the check php failed (no opcache).',
    ],
  ])('does not count when %s', async (_, values, sentence) => {
    const a = await add('app-misc/a-1');
    const { counts, answer } = await report(await publish(), [installed(a)], values);
    expect([counts, answer]).toEqual([false, sentence]);
    await expect(promote('web')).rejects.toMatchObject({ code: 'promotion-not-proven' });
  });

  it('is refused for profiles, channels and packages that cannot be', async () => {
    const a = await add('app-misc/a-1');
    const publication = await publish();
    const refused = async (values: Partial<NodeReport>) =>
      await report(publication, [installed(a)], values).catch((error: unknown) => error);
    expect(await refused({ profile: 'nope' })).toMatchObject({ code: 'unknown-profile' });
    expect(await refused({ channel: 'nope' })).toMatchObject({ code: 'unknown-channel' });
    expect(await refused({ installed: [installed(a, { cpv: 'a-1' })] })).toMatchObject({
      code: 'invalid-cpv',
    });
    expect(await installation.proofs.nodes()).toEqual([]);
  });

  it('takes the place of the earlier one, and the journal keeps each change of mind', async () => {
    const a = await add('app-misc/a-1');
    const publication = await publish();
    const say = async (checks: NodeReport['checks']) =>
      await report(publication, [installed(a)], { checks });
    await say([passed('http')]);
    await say([passed('http')]);
    clock.advance(HOUR);
    await say([failed('http', '502')]);
    await expect(promote('web')).rejects.toMatchObject({ code: 'promotion-not-proven' });
    await say([failed('http', '502')]);
    clock.advance(HOUR);
    await say([passed('http')]);

    expect(await installation.proofs.nodes()).toHaveLength(1);
    const events = await installation.journal.latest(10, 'node:pre1');
    expect(events.map(({ kind, actor }) => `${kind} ${actor}`)).toEqual([
      'node-passed token:pre1',
      'node-failed token:pre1',
      'node-passed token:pre1',
    ]);
    expect(events[1]?.data).toMatchObject({
      serial: 1,
      withdrawn: true,
      reasons: ['the check http failed (502)'],
    });
    const { nodes } = await installation.proofs.proof('web', 'stable');
    expect(nodes).toMatchObject([{ state: 'passed', passedSince: clock.now() }]);
    expect((await promote('web')).forced).toBeNull();
  });

  it('may come twice at the same moment', async () => {
    const a = await add('app-misc/a-1');
    const publication = await publish();
    await Promise.all(
      Array.from({ length: 8 }, async () => await report(publication, [installed(a)])),
    );
    expect(await installation.journal.latest(10, 'node:pre1')).toHaveLength(1);
  });
});

describe('a promotion', () => {
  it('is refused with what is missing, and made when that is there', async () => {
    const a = await add('app-misc/a-1');
    const publication = await publish();
    await expect(promote('web')).rejects.toMatchObject({
      code: 'promotion-not-proven',
      message:
        'Publication 1 of testing is not proven for stable of web: Publication 1 of testing needs 1 node that passed it, and has none. It can be forced, with a reason.',
      details: { serial: 1, policy: { nodes: 1 }, nodes: [] },
    });
    expect(await installation.repository.currentPublication('web', 'stable')).toBeUndefined();

    await report(publication, [installed(a)]);

    expect(await promote('web')).toMatchObject({ serial: 1, forced: null });
  });

  it('takes the proof of the publication that it promotes, not of another', async () => {
    const a = await add('app-misc/a-1');
    const first = await publish();
    await report(first, [installed(a)]);
    await add('app-misc/a-2');
    await publish();
    await expect(promote('web')).rejects.toMatchObject({
      message: expect.stringContaining('and has none. pre1 reported publication 1.'),
    });
    expect(await promote('web', { serial: 1 })).toMatchObject({ forced: null });
  });

  it('follows nodes, checks, soak and age of the policy of the profile', async () => {
    const a = await add('app-misc/a-1', {}, 'strict');
    const publication = await publish('strict');
    const checks = [passed('http')];
    await report(publication, [installed(a)], { checks });
    await report(publication, [installed(a)], { node: 'pre2' });
    expect(await lacks()).toEqual([
      expect.stringContaining('pre2 has not reported the check http'),
    ]);
    await report(publication, [installed(a)], { node: 'pre2', checks });
    expect(await lacks()).toEqual([expect.stringMatching(/^It has to soak 1h: 2 nodes passed/)]);
    await expect(promote('strict')).rejects.toMatchObject({ code: 'promotion-not-proven' });
    clock.advance(HOUR - 1);
    expect(await lacks()).toHaveLength(1);
    clock.advance(1);
    expect(await lacks()).toEqual([]);
    clock.advance(23 * HOUR + 1);
    expect(await lacks()).toEqual([expect.stringContaining('more than 1d ago')]);
    await report(publication, [installed(a)], { checks });
    await report(publication, [installed(a)], { node: 'pre2', checks });
    expect(await promote('strict')).toMatchObject({ forced: null });
  });

  it('can be forced with a reason, which stands there for good with what was missing', async () => {
    await add('app-misc/a-1');
    await publish();
    await expect(promote('web', { force: true, reason: ' ' })).rejects.toMatchObject({
      code: 'reason-required',
    });

    const forced = await promote('web', { force: true, reason: 'security, see advisory' });

    const missing = ['Publication 1 of testing needs 1 node that passed it, and has none.'];
    expect(forced.forced).toEqual({ missing });
    expect(await installation.repository.publications('web', 'stable', 1)).toEqual([forced]);
    expect((await installation.journal.latest(1))[0]).toMatchObject({
      kind: 'promoted',
      actor: 'token:admin',
      data: { reason: 'security, see advisory', forced: { missing } },
    });
  });

  it('that is forced without need is one like any other', async () => {
    const a = await add('app-misc/a-1');
    await report(await publish(), [installed(a)]);
    expect(await promote('web', { force: true })).toMatchObject({ forced: null });
  });
});

describe('what is read', () => {
  it('says when there is nothing to promote', async () => {
    const { proofs } = installation;
    expect(await proofs.proof('web', 'stable')).toMatchObject({
      isProven: false,
      serial: null,
      from: 'testing',
      missing: ['Nothing was published on testing of web yet.'],
    });
    expect((await proofs.proof('web', 'testing')).missing).toEqual([
      'There is no channel before testing in web to promote from.',
    ]);
    await expect(proofs.proof('web', 'nope')).rejects.toMatchObject({ code: 'unknown-channel' });
    expect(await proofs.node('nobody')).toEqual([]);
  });
});
