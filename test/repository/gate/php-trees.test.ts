import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TreeNeeds } from '../../../src/repository/gate/tree-findings.ts';
import type { ReportedTree } from '../../../src/repository/proof/node-report.ts';
import { newId } from '../../../src/support/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makePackage } from '../make-package.ts';
import { DEED, type Installation, openInstallation, push } from '../open-installation.ts';

const folder = temporaryFolder();
const testing = { ...DEED, profile: 'web', channel: 'testing' };
const DAY = 24 * 3_600_000;
let clock: ManualClock;
let installation: Installation;
let listed: TreeNeeds[];

beforeAll(async () => {
  await mkdir(join(folder, 'made'));
});

beforeEach(async () => {
  clock = new ManualClock();
  listed = [];
  const consumers = async () => listed;
  installation = await openInstallation(join(folder, newId('farm')), clock, { consumers });
});

afterEach(async () => {
  await installation.close();
});

async function add(cpv: string, soname: string): Promise<void> {
  const metadata = { SLOT: '0', PROVIDES: `x86_64: ${soname}` };
  await push(installation.repository, await makePackage(join(folder, 'made'), cpv, { metadata }));
}

function tree(id: string, requires: string): ReportedTree {
  const manifest = 'a'.repeat(64);
  return { id, profile: 'web', manifest, state: 'resident', verifiedAt: 1, requires };
}

async function report(node: string, trees: readonly ReportedTree[] | null, channel = 'testing') {
  const rest = { timestampSeconds: null, checks: [], installed: [] };
  await installation.proofs.report({ node, profile: 'web', channel, php: trees, ...rest }, 'test');
}

const findings = async () =>
  (
    await installation.repository.check({ profile: 'web', channel: 'testing', contents: 'newest' })
  ).findings.map(({ kind, cpv, message }) => [kind, cpv, message]);

describe('a library that a PHP tree of a node needs', () => {
  it('cannot be taken away, also when no package needs it', async () => {
    await add('dev-libs/icu-72', 'libicu.so.72');
    await installation.repository.publish(testing);
    await report('pre1', [tree('8.4.1-web-r1', 'x86_64: libicu.so.72 libc.so.6')]);
    await report('pre2', [tree('8.4.1-web-r1', 'x86_64: libicu.so.72 libc.so.6')]);
    expect(await findings()).toEqual([]);

    await add('dev-libs/icu-74', 'libicu.so.74');

    expect(await findings()).toEqual([
      [
        'php-tree-broken',
        'dev-libs/icu-72',
        'The PHP tree 8.4.1-web-r1, which 2 nodes have, needs the library libicu.so.72 (x86_64); dev-libs/icu-72 has it now, and nothing would.',
      ],
    ]);
    await expect(installation.repository.publish(testing)).rejects.toMatchObject({
      code: 'publication-refused',
    });
    // The nodes of another channel keep what they have.
    await report('pre1', [tree('8.4.2-web-r1', 'x86_64: libicu.so.74')]);
    await report('pre2', [tree('8.4.1-web-r1', 'x86_64: libicu.so.72')], 'stable');
    expect(await findings()).toEqual([]);
    await installation.repository.publish(testing);
  });

  it('counts as long as the node reports, and is not asked for where no publication had it', async () => {
    await add('dev-libs/icu-72', 'libicu.so.72');
    await installation.repository.publish(testing);
    await report('pre1', [tree('8.4.1-web-r1', 'x86_64: libicu.so.72 libelsewhere.so.1')]);
    await add('dev-libs/icu-74', 'libicu.so.74');
    expect(await findings()).toHaveLength(1);
    clock.advance(31 * DAY);
    expect(await findings()).toEqual([]);
  });

  it('counts too for a tree that nodes may fetch, until it is allowed by its id', async () => {
    await add('dev-libs/icu-72', 'libicu.so.72');
    await installation.repository.publish(testing);
    listed = [{ tree: '8.4.1-web-r1', requires: ['x86_64: libicu.so.72', 'x86_64: libc.so.6'] }];
    await add('dev-libs/icu-74', 'libicu.so.74');

    expect((await findings()).map(([, , message]) => message)).toEqual([
      'The PHP tree 8.4.1-web-r1, which nodes may fetch, needs the library libicu.so.72 (x86_64); dev-libs/icu-72 has it now, and nothing would.',
    ]);
    await expect(installation.repository.publish(testing)).rejects.toMatchObject({
      code: 'publication-refused',
    });
    const asked = { profile: 'web', channel: 'testing', contents: 'newest' } as const;
    const checked = await installation.repository.check(asked);
    const allow = checked.findings.map(({ id }) => id);
    await installation.repository.publish({ ...testing, allow });
    await add('dev-libs/other-1', 'libother.so.1');
    await installation.repository.publish(testing);
  });
});
