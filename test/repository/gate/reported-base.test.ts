import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BaseSystem } from '../../../src/gentoo/base-system.ts';
import { ReportedBase } from '../../../src/repository/gate/reported-base.ts';
import type { InstalledPackage } from '../../../src/repository/proof/node-report.ts';
import { newId } from '../../../src/support/ids.ts';
import { Locks } from '../../../src/support/locks.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { type Installation, openInstallation } from '../open-installation.ts';

const folder = temporaryFolder();
const DAY_MS = 24 * 3_600_000;
let clock: ManualClock;
let installation: Installation;
let reported: ReportedBase;
/** Reports whose packages were read. */
let read: string[];

beforeEach(async () => {
  clock = new ManualClock();
  installation = await openInstallation(join(folder, newId('installation')), clock);
  read = [];
  const { database } = installation;
  reported = new ReportedBase({ database, clock, locks: new Locks() }, (node) => read.push(node));
});

afterEach(async () => {
  await installation.close();
});

function one(cpv: string, changes: Partial<InstalledPackage> = {}): InstalledPackage {
  const rest = { slot: '0', buildId: null, buildTime: 1, repository: 'gentoo', provides: '' };
  return { cpv, use: 'amd64', ...rest, ...changes };
}

async function report(node: string, installed: readonly InstalledPackage[]): Promise<void> {
  await installation.proofs.report(
    {
      node,
      profile: 'web',
      channel: 'testing',
      timestampSeconds: null,
      checks: [],
      installed,
      php: null,
    },
    'test',
  );
}

async function names(): Promise<string[]> {
  return (await reported.of('web')).packages.map(({ cpv, slot }) => `${cpv}:${slot}`);
}

describe('what nodes have reported', () => {
  it('is base system as far as all of them have it, with flags and sonames that all have', async () => {
    const provides = 'x86_64: libssl.so.3 libcrypto.so.3';
    const iuse = '+asm ktls rfc3779';
    await report('n1', [
      one('dev-libs/openssl-3', { use: 'amd64 asm ktls', iuse, provides }),
      one('app-misc/only-1'),
      one('dev-lang/python-3.12', { slot: '3.12' }),
    ]);
    await report('n2', [
      one('dev-libs/openssl-3', { use: 'amd64 asm', iuse, provides: 'x86_64: libssl.so.3' }),
      one('dev-lang/python-3.13', { slot: '3.13' }),
    ]);
    expect(await reported.of('web')).toEqual({
      packages: [
        {
          cpv: 'dev-libs/openssl-3',
          slot: '0',
          use: ['amd64', 'asm', '-rfc3779'],
          iuse: ['amd64', 'asm', 'ktls', 'rfc3779'],
        },
      ],
      sonames: ['x86_64: libssl.so.3'],
    } satisfies BaseSystem);
    expect(await reported.of('v2')).toEqual({ packages: [], sonames: [] });
  });

  it('leaves out which flags there are where a node does not say it', async () => {
    await report('n1', [one('dev-libs/openssl-3', { use: 'asm' })]);
    expect((await reported.of('web')).packages).toEqual([
      { cpv: 'dev-libs/openssl-3', slot: '0', use: ['asm'] },
    ]);
  });

  it('is read once for each content, however many nodes have it and however often they report it', async () => {
    const same = [one('a/b-1'), one('c/d-2')];
    for (const node of ['n1', 'n2', 'n3']) {
      await report(node, same);
    }
    expect(await names()).toEqual(['a/b-1:0', 'c/d-2:0']);
    expect(read).toHaveLength(1);
    clock.advance(1000);
    await report('n2', same);
    await report('n3', [one('c/d-2'), one('e/f-3')]);
    expect(await names()).toEqual(['c/d-2:0']);
    expect(read.slice(1)).toEqual(['n3']);
    await report('n3', same);
    expect(await names()).toEqual(['a/b-1:0', 'c/d-2:0']);
    expect(read).toHaveLength(2);
  });

  it('counts for a month', async () => {
    await report('n1', [one('a/b-1')]);
    clock.advance(20 * DAY_MS);
    await report('n2', [one('a/b-1'), one('c/d-2')]);
    expect(await names()).toEqual(['a/b-1:0']);
    clock.advance(11 * DAY_MS);
    expect(await names()).toEqual(['a/b-1:0', 'c/d-2:0']);
    clock.advance(20 * DAY_MS);
    expect(await names()).toEqual([]);
  });

  it('of an older Rookery is read too', async () => {
    await report('n1', [one('a/b-1')]);
    await installation.database
      .updateTable('node_reports')
      .set({ installed_digest: null })
      .execute();
    expect(await names()).toEqual(['a/b-1:0']);
    expect(await names()).toEqual(['a/b-1:0']);
    expect(read).toEqual(['n1']);
  });
});
