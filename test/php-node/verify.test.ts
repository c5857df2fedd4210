import {
  chmodSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { isPhpInstalled, type PhpFarm } from './farm.ts';
import { openTwoTrees, type PhpNode } from './node.ts';

const [A, B] = ['8.2.30-web-v3-r1', '8.2.30-web-v3-r2'] as const;

(isPhpInstalled() ? describe : describe.skip)('rookery-php (needs php8.2-fpm)', () => {
  const folder = temporaryFolder();
  let farm: PhpFarm;
  let node: PhpNode;

  beforeAll(async () => {
    ({ farm, node } = await openTwoTrees(folder, [A, B]));
  });

  afterAll(async () => {
    await farm.close();
  });

  beforeEach(() => {
    for (const place of ['opt', 'var/lib/rookery']) {
      rmSync(node.path(place), { recursive: true, force: true });
    }
  });

  describe('verify', () => {
    beforeAll(async () => {
      await node.must(0, 'pull');
      renameSync(node.path('opt'), join(folder, 'whole'));
      renameSync(node.path('var/lib/rookery'), join(folder, 'known'));
    });

    it.each<[string, RegExp, (tree: string) => void]>([
      [
        'a changed byte',
        /etc\/php-fpm\.conf: has other contents/,
        (tree) => {
          const path = join(tree, 'etc/php-fpm.conf');
          writeFileSync(path, readFileSync(path, 'utf8').replace('20s', '00s'));
        },
      ],
      [
        'an extra file',
        /etc\/x: is not in MANIFEST/,
        (tree) => writeFileSync(join(tree, 'etc/x'), ''),
      ],
      [
        'a wrong mode',
        /bin\/php: has the mode 4755, not 0755/,
        (tree) => chmodSync(join(tree, 'bin/php'), 0o4755),
      ],
      ['a missing file', /META\.json: is missing/, (tree) => rmSync(join(tree, 'META.json'))],
      [
        'a link to the same bytes',
        /bin\/php: is of the type l, not f/,
        (tree) => {
          renameSync(join(tree, 'bin/php'), `${tree}.php`);
          symlinkSync(`${tree}.php`, join(tree, 'bin/php'));
        },
      ],
      [
        'another MANIFEST, whoever signed it',
        /MANIFEST: has other contents/,
        (tree) => copyFileSync(join(farm.place, B, 'MANIFEST'), join(tree, 'MANIFEST')),
      ],
      [
        'a name with a line feed',
        /is there twice|is not in MANIFEST/,
        (tree) => writeFileSync(join(tree, 'etc/php.ini\nx'), ''),
      ],
    ])('finds %s', async (_, words, spoil) => {
      await runChecked(['cp', '-a', join(folder, 'whole'), node.path('opt')], {
        env: toolEnvironment(),
      });
      await runChecked(['cp', '-a', join(folder, 'known'), node.path('var/lib/rookery')], {
        env: toolEnvironment(),
      });
      spoil(node.tree(A));
      const { exitCode, stderr } = await node.php('status', '--verify');
      // The id of a MANIFEST of another tree is found out before its digest.
      const expected = words.source.startsWith('MANIFEST') ? /MANIFEST/ : words;
      expect([exitCode, stderr]).toEqual([1, expect.stringMatching(expected)]);
      expect((await node.must(0, 'status', '--json')).said).toContain('"verifiedAt":null');
    });

    it('is done before a tree that is here is taken for good', async () => {
      await runChecked(['cp', '-a', join(folder, 'whole'), node.path('opt')], {
        env: toolEnvironment(),
      });
      writeFileSync(join(node.tree(A), 'etc/x'), '');
      expect((await node.must(5, 'pull')).stderr).toContain('remove it (rookery-php prune');
      await node.must(0, 'prune', A);
      await node.must(0, 'pull');
    });
  });

  describe('prune', () => {
    it('removes what no channel shows, or what is named', async () => {
      await node.must(0, 'pull');
      await node.must(0, 'pull', B);
      expect((await node.must(0, 'prune')).said).toContain(
        `${B} stays: a channel of the farm shows it`,
      );
      farm.publish({ stable: A });
      await node.must(0, 'pull');
      expect((await node.must(0, 'prune', '--dry-run')).said).toContain(`would remove ${B}`);
      expect(node.has(`opt/php/${B}`)).toBe(true);
      expect((await node.must(0, 'prune')).said).toContain(`removed ${B}`);
      await node.must(0, 'verify', A);
      await node.must(0, 'prune', A);
      expect(readdirSync(node.path('opt/php'))).toEqual([]);
      farm.publish({ stable: A, testing: B });
    });
  });
});
