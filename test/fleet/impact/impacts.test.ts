import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Impacts } from '../../../src/fleet/impact/impacts.ts';
import type { ObservedNode } from '../../../src/fleet/observed/observed-node.ts';
import type { PublicationRef } from '../../../src/fleet/plan/artefact.ts';
import { publicationRef } from '../../../src/fleet/plan/publication-ref.ts';
import type { PackageRecord } from '../../../src/repository/package-record.ts';
import type { InstalledPackage } from '../../../src/repository/proof/node-report.ts';
import { reportKeys } from '../../../src/repository/proof/node-store.ts';
import { isAppError } from '../../../src/support/errors.ts';
import { newId } from '../../../src/support/ids.ts';
import { Locks } from '../../../src/support/locks.ts';
import { catalogOf, makePackage, makeProfile } from '../../repository/make-package.ts';
import {
  DEED,
  type Installation,
  openInstallation,
  PROFILES,
  push,
} from '../../repository/open-installation.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { running, systemOf } from './made-impact.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
let installation: Installation;
let impacts: Impacts;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  installation = await openInstallation(join(folder, newId('installation')), new ManualClock());
  impacts = impactsWith();
});

afterEach(async () => {
  await installation.close();
});

function impactsWith(profiles = PROFILES): Impacts {
  const { database } = installation;
  return new Impacts({ database, profiles: catalogOf(profiles), locks: new Locks() });
}

async function add(
  cpv: string,
  metadata: Readonly<Record<string, string>>,
): Promise<PackageRecord> {
  return (await push(installation.repository, await makePackage(made, cpv, { metadata }))).package;
}

async function publish(): Promise<PublicationRef> {
  const deed = { ...DEED, profile: 'web', channel: 'testing' };
  return await publicationRef(installation.folders, await installation.repository.publish(deed));
}

function installed({ cpv, slot, buildId, buildTimeSeconds }: PackageRecord): InstalledPackage {
  const none = { repository: 'lab', use: '', provides: '' };
  return { cpv, slot, buildId, buildTime: buildTimeSeconds, ...none };
}

/** A node that has reported these packages, and runs nginx with a file of this one. */
async function reported(
  name: string,
  packages: readonly InstalledPackage[],
  mapped: string,
): Promise<ObservedNode> {
  const about = { node: name, profile: 'web', channel: 'testing', timestampSeconds: null };
  const report = { ...about, installed: packages, checks: [], php: null };
  await installation.proofs.report(report, `token:${name}`);
  const keys = await reportKeys(installation.database, 'web', 0);
  return {
    node: name,
    reportedAt: 0,
    profile: 'web',
    channel: 'testing',
    serial: null,
    differs: 0,
    installedDigest: keys.find((key) => key.node === name)?.content ?? '',
    php: { active: null, resident: [] },
    system: systemOf([running('nginx', { '/usr/lib64/libmapped.so.1': mapped })]),
  };
}

const LIBRARY = { PROVIDES: 'x86_64: libmapped.so.1' };
const NEEDY = { ...LIBRARY, REQUIRES: 'x86_64: libdeep.so.1' };
const DEEP = { PROVIDES: 'x86_64: libdeep.so.1' };
const AGENT: InstalledPackage = {
  cpv: 'app-misc/agent-1',
  slot: '0',
  buildId: null,
  buildTime: 5,
  repository: 'lab',
  use: '',
  provides: '',
  requires: 'x86_64: libdeep.so.1',
};

describe('impacts', () => {
  it('are one for each set of packages, from what the repository and the nodes know', async () => {
    const old = [await add('dev-libs/lib-1', NEEDY), await add('dev-libs/deep-1', DEEP)];
    await add('dev-libs/deep-2', DEEP);
    const to = await publish();
    const both = old.map(installed);
    const nodes = [
      await reported('web-1', both, 'dev-libs/lib-1'),
      await reported('web-2', [AGENT, ...both], 'app-misc/agent-1'),
      await reported('web-3', both, 'dev-libs/lib-1'),
    ];
    const found = await impacts.of([to], nodes);
    expect(
      found.map(({ nodes: names, effect, packages }) => [names, effect, packages[0]?.reasons]),
    ).toEqual([
      [['web-1', 'web-3'], 'disruptive', ['libdeep.so.1 is needed by nginx on 2 nodes']],
      [['web-2'], 'disruptive', ['libdeep.so.1 is needed by nginx on 1 node']],
    ]);
    expect(found[0]?.packages[0]).toMatchObject({ from: 'dev-libs/deep-1', to: 'dev-libs/deep-2' });
    expect(to).toMatchObject({ serial: 1, path: '/binhost/web/.publications/testing-1' });
    expect(found[0]?.to).toEqual(to);
  });

  it('look at a pair once, and at what runs each time', async () => {
    const old = installed(await add('dev-libs/lib-1', LIBRARY));
    await add('dev-libs/lib-2', LIBRARY);
    const to = await publish();
    const node = await reported('web-1', [old], 'dev-libs/lib-1');
    const [first] = await impacts.of([to], [node]);
    expect(first?.effect).toBe('disruptive');
    // Neither the report nor the publication is read again: there is nothing of them left.
    await installation.database.deleteFrom('node_reports').execute();
    const idle = { ...node, system: systemOf([]) };
    const [second] = await impacts.of([to], [idle]);
    expect([second?.effect, second?.packages.length]).toEqual(['none', 1]);
  });

  it('follow the rows of the profile', async () => {
    const old = installed(await add('dev-libs/lib-1', LIBRARY));
    await add('dev-libs/lib-2', LIBRARY);
    const to = await publish();
    const nodes = [await reported('web-1', [old], 'dev-libs/lib-1')];
    const programs = [{ match: 'nginx', effect: 'reboot' as const, order: 5, reason: 'ours' }];
    const own = impactsWith([makeProfile('web', { impact: { packages: [], programs } })]);
    expect((await own.of([to], nodes))[0]?.effect).toBe('reboot');
  });

  it('say which node has reported something else in the meantime', async () => {
    const old = installed(await add('dev-libs/lib-1', LIBRARY));
    const to = await publish();
    const node = await reported('web-1', [old], 'dev-libs/lib-1');
    await reported('web-1', [old, AGENT], 'dev-libs/lib-1');
    const error = await impacts.of([to], [node]).catch((caught: unknown) => caught);
    expect(isAppError(error, 'report-changed')).toBe(true);
  });
});
