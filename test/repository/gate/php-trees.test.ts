import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Journal } from '../../../src/journal/journal.ts';
import type { NodeTree } from '../../../src/php/node-trees.ts';
import type { PhpTrees } from '../../../src/php/php-trees.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { newId } from '../../../src/support/ids.ts';
import { openTestKeyring } from '../../keys/open-test-keys.ts';
import { packSmallTree, SMALL_TREE } from '../../php/made-tree.ts';
import { openTestPhp } from '../../php/open-test-php.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makePackage, makeProfile } from '../make-package.ts';
import { DEED, type Installation, openInstallation, push } from '../open-installation.ts';

const root = temporaryFolder();
const DAY_MS = 86_400_000;
const testing = { ...DEED, profile: 'web', channel: 'testing' };
let folder = '';
let clock: ManualClock;
let installation: Installation;
let repository: Repository;
let php: PhpTrees;
let reported: NodeTree[];

beforeEach(async () => {
  folder = join(root, newId('farm'));
  clock = new ManualClock();
  reported = [];
  const consumers = async (profile: string) => await php.consumers(profile);
  installation = await openInstallation(folder, clock, { consumers });
  ({ repository } = installation);
  const journal = new Journal(installation.database, clock);
  const keyring = await openTestKeyring(folder, clock);
  php = openTestPhp({ folder, clock, journal, keyring, nodeTrees: async () => reported });
  await mkdir(join(folder, 'made'));
});
afterEach(async () => {
  await installation.close();
});

async function add(cpv: string, provides: string): Promise<void> {
  const metadata = { PROVIDES: `x86_64: ${provides}\n` };
  await push(repository, await makePackage(join(folder, 'made'), cpv, { metadata }));
}

/** A tree that needs libc.so.6 and libssl.so.3. */
async function addTree(): Promise<string> {
  const file = join(folder, 'upload');
  await writeFile(file, packSmallTree(SMALL_TREE));
  return (await php.importTree({ profile: 'web', file, channel: null, actor: 'test' })).tree.id;
}

describe('the gate', () => {
  it('refuses a publication that takes a library from a PHP tree, until it is allowed by its id', async () => {
    await add('sys-libs/glibc-2.40', 'libc.so.6');
    await add('dev-libs/openssl-3.1', 'libssl.so.3');
    const tree = await addTree();
    await repository.publish(testing);
    await add('dev-libs/openssl-4.0', 'libssl.so.4');

    const { findings } = await repository.check({ ...testing, contents: 'newest' });
    expect(findings).toEqual([
      expect.objectContaining({
        kind: 'php-soname-missing',
        verdict: 'refused',
        message: `The PHP tree ${tree} needs the library libssl.so.3 (x86_64), and there is only libssl.so.4.`,
      }),
    ]);
    await expect(repository.publish(testing)).rejects.toMatchObject({
      code: 'publication-refused',
    });
    const allow = findings.map(({ id }) => id);
    await repository.publish({ ...testing, allow });
    await add('app-misc/other-1', 'libother.so.1');
    await repository.publish(testing);
  });

  it('counts trees that nodes have, also when they are listed no more, as long as they report', async () => {
    await add('sys-libs/glibc-2.40', 'libc.so.6');
    reported = [
      {
        node: 'web7',
        tree: '8.2.1-web-r1',
        channel: 'stable',
        manifest: 'ab'.repeat(32),
        state: 'resident',
        requires: 'x86_64: libc.so.6 libgone.so.1',
        passed: [],
        failed: [],
        reportedAt: clock.now(),
      },
    ];
    await expect(repository.publish(testing)).rejects.toMatchObject({
      message: expect.stringContaining(
        'The PHP tree 8.2.1-web-r1, which web7 has, needs the library libgone.so.1 (x86_64), which nothing provides.',
      ),
    });

    clock.advance(31 * DAY_MS);
    await expect(repository.check({ ...testing, contents: 'newest' })).resolves.toMatchObject({
      findings: expect.not.arrayContaining([
        expect.objectContaining({ kind: 'php-soname-missing' }),
      ]),
    });
  });

  it('is content with what the base system has, and only warns where the profile says so', async () => {
    const sonames = ['x86_64: libc.so.6', 'x86_64: libssl.so.3'];
    await add('app-misc/a-1', 'liba.so.1');
    await addTree();
    await expect(repository.publish(testing)).rejects.toMatchObject({
      code: 'publication-refused',
    });
    installation.setProfiles([makeProfile('web', { baseSystem: { packages: [], sonames } })]);
    await repository.publish(testing);

    await add('app-misc/a-2', 'liba.so.1');
    installation.setProfiles([makeProfile('web', { gate: { warn: ['php-soname-missing'] } })]);
    await repository.publish(testing);
  });
});
