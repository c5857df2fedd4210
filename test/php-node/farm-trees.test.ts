import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { publishTrees } from '../support/php-trees.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { isPhpInstalled, setupScript } from './farm.ts';
import { PhpNode } from './node.ts';
import { startRsync } from './rsync-daemon.ts';
import { missingFor, shutDown, WebServer } from './web-server.ts';

const folder = temporaryFolder();
const isThere = isPhpInstalled() && missingFor('nginx') === undefined;

(isThere ? it : it.skip)(
  'takes and runs what `rookery php import` publishes (needs php8.2-fpm, nginx)',
  async () => {
    chmodSync(folder, 0o755);
    const farm = await publishTrees(join(folder, 'farm'));
    const daemon = await startRsync(farm.phpRoot, join(folder, 'rsyncd.conf'));
    try {
      const script = setupScript(farm.profile, farm.keyring.signer(), daemon.url);
      const node = await PhpNode.open(join(folder, 'node'), { setupScript: () => script });
      const server = await WebServer.start(node, 'nginx', '127.77.0.90');
      try {
        await node.must(0, 'pull', '--profile', 'web');
        await node.must(0, 'activate', farm.first);
        const { said } = await node.must(0, 'pull', 'testing');
        // The second differs by a line of php.ini.
        expect(Number(/received ([\d,]+) bytes/.exec(said)?.[1]?.replaceAll(',', ''))).toBeLessThan(
          20_000,
        );
        await node.must(0, 'activate', farm.second);
        expect(await server.get('/id.php')).toBe(farm.second);
      } finally {
        await shutDown(node, server);
      }
    } finally {
      await daemon.stop();
      await farm.close();
    }
  },
);
