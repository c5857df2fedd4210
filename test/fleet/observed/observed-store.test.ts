import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { installedSets, observedNodes } from '../../../src/fleet/observed/observed-store.ts';
import type { NodeReport } from '../../../src/repository/proof/node-report.ts';
import { type Installation, openInstallation } from '../../repository/open-installation.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const clock = new ManualClock();
const folder = temporaryFolder();
let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation(join(folder, 'farm'), clock);
});

afterAll(async () => {
  await installation.close();
});

const PHP_FPM = {
  name: 'php-fpm',
  tree: '8.2.30-web-r1',
  files: [{ path: '/usr/lib64/libssl.so.3', cpv: 'dev-libs/openssl-3.3.1', isDeleted: true }],
};
const SYSTEM = {
  release: '2026.48',
  releases: [{ release: '2026.48', digest: 'abc' }],
  kernel: { running: '6.12.1-gentoo', installed: ['6.12.1-gentoo', '6.12.5-gentoo'] },
  bootId: 'f5b2',
  cpuFlags: ['avx', 'sse2'],
  isPartial: false,
};

function installedPackage(cpv: string) {
  const rest = { repository: 'gentoo', use: '', provides: '' };
  return { cpv, slot: '0', buildId: 1, buildTime: 1, ...rest };
}

async function report(node: string, changes: Partial<NodeReport> = {}): Promise<void> {
  await installation.proofs.report(
    {
      node,
      profile: 'web',
      channel: 'testing',
      timestampSeconds: null,
      installed: [installedPackage('app-misc/a-1')],
      checks: [],
      php: null,
      ...changes,
    },
    `token:${node}`,
  );
}

async function keptServices(): Promise<number> {
  const rows = await installation.database.selectFrom('node_services').select('digest').execute();
  return rows.length;
}

describe('what nodes have said', () => {
  it('is there for each node, with its system and its trees', async () => {
    const tree = { id: '8.2.30-web-r1', manifest: 'a'.repeat(64), requires: 'x86_64: libc.so.6' };
    await report('web7-01', {
      system: { ...SYSTEM, services: [PHP_FPM] },
      php: [{ ...tree, profile: 'web', state: 'active', verifiedAt: 1 }],
    });
    await report('web7-02');

    const observed = await observedNodes(installation.database);

    expect([...observed.keys()]).toEqual(['web7-01', 'web7-02']);
    expect(observed.get('web7-01')).toMatchObject({
      reportedAt: clock.now(),
      profile: 'web',
      channel: 'testing',
      serial: null,
      differs: 0,
      php: { active: tree.id, resident: [tree] },
      system: { ...SYSTEM, services: [PHP_FPM] },
    });
    expect(observed.get('web7-02')).toMatchObject({
      php: { active: null, resident: [] },
      system: null,
    });
  });

  it('keeps what many of them run once, and no longer than one of them runs it', async () => {
    const nginx = { ...PHP_FPM, name: 'nginx', tree: null };
    await report('web7-01', { system: { ...SYSTEM, services: [nginx] } });
    await report('web7-02', { system: { ...SYSTEM, services: [nginx], bootId: 'other' } });
    expect(await keptServices()).toBe(1);

    const observed = await observedNodes(installation.database);
    const [one, two] = ['web7-01', 'web7-02'].map((node) => observed.get(node)?.system);
    expect(one?.services).toBe(two?.services);
    expect([one?.bootId, two?.bootId]).toEqual(['f5b2', 'other']);

    await report('web7-01', { system: { ...SYSTEM, services: [] } });
    expect(await keptServices()).toBe(2);
    await installation.proofs.forget('web7-02', { author: 'test', reason: 'gone' });
    expect(await keptServices()).toBe(1);
  });

  it('gives what is installed once for each digest', async () => {
    await report('web8-01', { installed: [installedPackage('app-misc/b-1')] });
    await report('web8-02', { installed: [installedPackage('app-misc/b-1')] });
    const observed = await observedNodes(installation.database);
    const digests = [...observed.values()].map(({ installedDigest }) => installedDigest);

    const sets = await installedSets(installation.database, [...digests, 'gone']);

    expect(sets.size).toBe(new Set(digests).size);
    const digest = observed.get('web8-02')?.installedDigest ?? '';
    expect(sets.get(digest)?.map(({ cpv }) => cpv)).toEqual(['app-misc/b-1']);
    expect(observed.get('web8-01')?.installedDigest).toBe(digest);
  });

  it('takes the profile that is asked for, where a node has several', async () => {
    await report('both', { profile: 'web' });
    clock.advance(1000);
    await report('both', { profile: 'strict' });

    const newest = (await observedNodes(installation.database)).get('both');
    const asked = (await observedNodes(installation.database, () => 'web')).get('both');

    expect([newest?.profile, asked?.profile]).toEqual(['strict', 'web']);
  });
});
