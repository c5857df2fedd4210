import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { isPhpInstalled, PhpFarm, PROFILE } from './farm.ts';
import { Load } from './load.ts';
import { PhpNode } from './node.ts';
import { missingFor, shutDown, WebServer, type WebServerKind } from './web-server.ts';

const [A, B] = ['8.2.30-web-v3-r1', '8.2.30-web-v3-r2'] as const;
const BAD_MODULE = '8.2.30-web-v3-r9';

/** Trees that no node can run, each for a reason of its own. */
const UNFIT = {
  '8.2.30-web-v3-r3': {
    meta: { requires: 'x86_64: libc.so.6 libgone.so.9' },
    words: 'it needs libgone.so.9, which this node does not have',
  },
  '8.2.30-web-v3-r4': { meta: { glibc: '9.1' }, words: 'it needs glibc 9.1, and here is ' },
  '8.2.30-web-v3-r5': { meta: { extensions: ['Core', 'redis'] }, words: 'do not load: redis' },
  '8.2.30-web-v3-r6': {
    files: { 'etc/php-fpm.conf': '[www]\nlisten = @RUN@/@ID@.sock\npm = nonsense\n' },
    words: 'php-fpm -t does not pass',
  },
  '8.2.30-web-v3-r7': {
    files: {
      'etc/php-fpm.conf':
        '[www]\nuser = nobody\nlisten = @RUN@/@ID@.sock\npm = static\npm.max_children = 1\n',
    },
    words: 'process_control_timeout is 0',
  },
  '8.2.30-web-v3-r8': {
    files: { 'etc/conf.d/99-gone.ini': 'extension = gone.so\n' },
    words: 'php-fpm does not load an extension',
  },
};

function itWith(kind: WebServerKind) {
  return missingFor(kind) === undefined ? it : it.skip;
}

/** Debian's module, where it is installed. */
function addModule(tree: string): void {
  if (missingFor('apache-mod-php') === undefined) {
    mkdirSync(join(tree, 'lib/apache2'), { mode: 0o755 });
    copyFileSync('/usr/lib/apache2/modules/libphp8.2.so', join(tree, 'lib/apache2/libphp.so'));
    chmodSync(join(tree, 'lib/apache2/libphp.so'), 0o755);
  }
}

(isPhpInstalled() ? describe : describe.skip)('activation (needs php8.2-fpm)', () => {
  const folder = temporaryFolder();
  let farm: PhpFarm;
  let first: PhpNode;

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    farm = await PhpFarm.open(join(folder, 'farm'));
    farm.addTree({ id: A, edit: addModule });
    farm.addTree({ id: B, edit: addModule, files: { 'etc/php.ini': 'memory_limit = 96M\n' } });
    for (const [id, change] of Object.entries(UNFIT)) {
      farm.addTree({ id, ...change });
    }
    farm.addTree({
      id: BAD_MODULE,
      edit: (tree) => {
        mkdirSync(join(tree, 'lib/apache2'), { mode: 0o755 });
        writeFileSync(join(tree, 'lib/apache2/libphp.so'), 'nothing', { mode: 0o755 });
      },
    });
    farm.publish({ stable: A, testing: B });
    first = await PhpNode.open(join(folder, 'first'), farm);
    await first.must(0, 'pull');
    await first.must(0, 'pull', 'testing');
  });

  afterAll(async () => {
    await farm.close();
  });

  let made = 0;

  /** A node that has both trees, with a web server. */
  async function withNode(
    kind: WebServerKind,
    act: (node: PhpNode, server: WebServer) => Promise<void>,
  ): Promise<void> {
    made += 1;
    const node = await first.copy(join(folder, `n${made}`));
    const server = await WebServer.start(node, kind, `127.77.0.${made}`);
    try {
      await act(node, server);
    } finally {
      await shutDown(node, server);
    }
  }

  describe.each<WebServerKind>(['nginx', 'apache'])('with %s', (kind) => {
    itWith(kind)('switches, and back to what still runs at once', async () => {
      await withNode(kind, async (node, server) => {
        expect((await node.must(0, 'activate', A, '--dry-run')).said).toContain(
          `from nothing to ${A}`,
        );
        expect(node.has('etc/web/rookery-php.conf')).toBe(false);
        await node.must(0, 'activate', A);
        expect(await server.get('/id.php')).toBe(A);
        expect((await node.must(0, 'activate', A)).said).toContain(`${A} serves already`);
        await node.must(0, 'activate', B);
        expect(await server.get('/id.php')).toBe(B);
        expect([await node.standing(A), await node.standing(B)]).toEqual(['standby', 'active']);
        expect((await node.must(3, 'prune', A)).stderr).toContain('it is standby');

        // How long it takes is measured by scripts/stress/php-switches.ts.
        const running = node.read(`run/php/${A}.pid`);
        await node.must(0, 'rollback');
        expect(await server.get('/id.php')).toBe(A);
        expect(node.read(`run/php/${A}.pid`)).toBe(running);
        // Whoever asks again because the line broke must not get the tree that was bad.
        expect((await node.must(0, 'rollback')).said).toContain(`gone back from ${B} already`);
        expect(await server.get('/id.php')).toBe(A);
      });
    });
  });

  itWith('apache-mod-php')(
    'stops and starts Apache for mod_php, and only when it is told to',
    async () => {
      await withNode('apache-mod-php', async (node, server) => {
        const { stderr } = await node.must(2, 'activate', A);
        expect(stderr).toContain('Drain the node, then use --mod-php');
        await node.must(0, 'activate', A, '--mod-php');
        expect(await server.get('/id.php')).toBe(A);
        await node.must(0, 'activate', B, '--mod-php');
        expect(await server.get('/id.php')).toBe(B);
        await node.must(2, 'rollback');
        await node.must(0, 'rollback', '--mod-php');
        expect(await server.get('/id.php')).toBe(A);
      });
    },
  );

  itWith('apache-mod-php')(
    'is what steps of a rollout do with Apache, which is stopped for it, and back',
    async () => {
      await withNode('apache-mod-php', async (node, server) => {
        node.put('etc/rookery/step.conf', server.stepSettings());
        server.settings({ 'check-seconds': '3' });
        await node.step(0, 'activate-php', PROFILE, A, node.manifestOf(A));
        await node.step(0, 'check', A, '-', '-');
        await node.step(0, 'stop-web');
        await node.step(0, 'activate-php', PROFILE, B, node.manifestOf(B));
        await node.step(0, 'start-web');
        await node.step(0, 'check', B, '-', '-');
        expect(await server.get('/id.php')).toBe(B);
        await node.step(1, 'check', A, '-', '-');

        // Apache cannot load the module of the next one: it stays stopped until the way back.
        await node.must(0, 'pull', BAD_MODULE);
        await node.step(0, 'stop-web');
        const bare = ['activate-php', PROFILE, BAD_MODULE, node.manifestOf(BAD_MODULE)];
        expect(await node.step(7, ...bare)).toContain(`${B} serves, as before`);
        expect(await node.step(1, 'check', '-', '-', '-')).toContain('what serves does not run');
        await node.step(0, 'activate-php', PROFILE, B, node.manifestOf(B));
        await node.step(0, 'start-web');
        await node.step(0, 'check', B, '-', '-');
      });
    },
  );

  itWith('nginx')('loses no request of six nodes that are drained for it', async () => {
    const nodes = await Promise.all(
      [101, 102, 103, 104, 105, 106].map(async (number) => {
        const node = await first.copy(join(folder, `n${number}`));
        return { node, server: await WebServer.start(node, 'nginx', `127.77.0.${number}`) };
      }),
    );
    try {
      for (const { node, server } of nodes) {
        await node.must(0, 'activate', A);
        expect(await server.get('/id.php')).toBe(A);
      }
      const load = new Load(
        nodes.map(({ server }) => server.url),
        6,
        10,
      );
      for (const { node, server } of nodes) {
        await load.drain(server.url);
        await node.must(0, 'activate', B);
        load.ready(server.url);
      }
      const { failures, failed, keepAliveRaces, requests, answers } = await load.end();
      expect({ failures, failed, keepAliveRaces }).toEqual({
        failures: [],
        failed: 0,
        keepAliveRaces: 0,
      });
      expect(requests).toBeGreaterThan(100);
      expect(Object.keys(answers).toSorted()).toEqual([A, B]);
    } finally {
      await Promise.all(
        nodes.map(async ({ node, server }) => {
          await shutDown(node, server);
        }),
      );
    }
  });

  itWith('nginx')(
    'loses none of a node that is not drained, but what nginx closes itself',
    async () => {
      await withNode('nginx', async (node, server) => {
        await node.must(0, 'activate', A);
        // Workers of before had no PHP at all: they are gone when this is answered.
        expect(await server.get('/id.php')).toBe(A);
        const [clients, switches] = [4, [B, A, B]];
        const load = new Load([server.url], clients, 5);
        for (const id of switches) {
          await node.must(0, 'activate', id);
        }
        const { failures, keepAliveRaces, requests } = await load.end();
        expect(failures).toEqual([]);
        // A reload closes each connection that was kept, once.
        expect(keepAliveRaces).toBeLessThanOrEqual(clients * switches.length);
        expect(requests).toBeGreaterThan(100);
      });
    },
  );

  itWith('nginx')(
    'ends an old php-fpm after its requests, and the one that serves never',
    async () => {
      await withNode('nginx', async (node, server) => {
        await node.must(0, 'activate', A);
        const slow = server.get('/slow.php');
        await delay(100);
        await node.must(0, 'activate', B, '--keep-minutes', '0');
        await poll('the old php-fpm to end', async () =>
          (await node.standing(A)) === 'resident' ? true : undefined,
        );
        expect([await slow, await server.get('/id.php')]).toEqual([A, B]);
        // Both are answered: QUIT waits for a request that is under way.
        await node.must(0, 'activate', A);
        const during = server.get('/slow.php');
        await delay(100);
        await node.must(0, 'activate', B);
        await node.must(0, 'retire', '--now');
        expect([await during, await server.get('/id.php')]).toEqual([A, B]);
      });
    },
  );

  itWith('nginx')('refuses trees that this node cannot run, and changes nothing', async () => {
    await withNode('nginx', async (node, server) => {
      await node.must(0, 'activate', A);
      for (const [id, { words }] of Object.entries(UNFIT)) {
        await node.must(0, 'pull', id);
        const { exitCode, stderr } = await node.php('activate', id);
        expect([id, exitCode, stderr]).toEqual([id, 6, expect.stringContaining(words)]);
        expect(await node.standing(id)).toBe('resident');
      }
      node.put('etc/php-site/warm-up', `${node.path('srv/www/broken.php')}\n`);
      node.put('srv/www/broken.php', '<?php http_response_code(500); echo "no database";');
      expect((await node.must(6, 'activate', B)).stderr).toContain('answers "500 no database" to ');
      expect(await node.standing(B)).toBe('resident');

      writeFileSync(join(node.tree(B), 'etc/conf.d/99-more.ini'), '');
      expect((await node.must(5, 'activate', B)).stderr).toContain(
        'etc/conf.d/99-more.ini: is not in MANIFEST',
      );
      server.settings({ 'min-free-mb': '999999' });
      rmSync(join(node.tree(B), 'etc/conf.d/99-more.ini'));
      expect((await node.must(3, 'activate', B)).stderr).toContain('MiB of free space left');
      expect(await server.get('/id.php')).toBe(A);
    });
  });

  itWith('nginx')('refuses a tree that the farm has taken back', async () => {
    await withNode('nginx', async (node) => {
      farm.unlist(B);
      farm.publish({ stable: A });
      await node.must(0, 'pull');
      expect((await node.must(5, 'activate', B)).stderr).toContain('the farm does not list');
      await node.must(0, 'activate', B, '--allow-withdrawn');
      farm.signManifest(B, readFileSync(join(farm.place, B, 'MANIFEST'), 'utf8'));
      farm.publish({ stable: A, testing: B });
    });
  });

  itWith('nginx')('switches back when the web server or the answer is not right', async () => {
    await withNode('nginx', async (node, server) => {
      await node.must(0, 'activate', A);
      server.settings({ 'include-template': node.path('template') });
      node.put('template', 'upstream rookery_php { nonsense; }\n');
      expect((await node.must(7, 'activate', B)).stderr).toContain(`${A} serves, as before`);
      node.put(
        'template',
        `upstream rookery_php { server unix:${node.path(`run/php/${A}.sock`)}; }\n`,
      );
      server.settings({ 'include-template': node.path('template'), 'check-seconds': '1' });
      expect((await node.must(7, 'activate', B)).stderr).toContain(`gives "${A}", not "${B}"`);
      server.settings({ 'reload-command': 'exit 1' });
      // The reload fails both times, and what runs is the old configuration.
      expect((await node.php('activate', B)).exitCode).toBe(8);
      expect(await server.get('/id.php')).toBe(A);
      expect(await node.standing(A)).toBe('active');
      server.settings();
      await node.must(0, 'activate', B);
      expect(await server.get('/id.php')).toBe(B);
    });
  });

  itWith('nginx')('comes back from a stop half way', async () => {
    await withNode('nginx', async (node, server) => {
      await node.must(0, 'activate', A);
      const reload = server.reloadCommand;
      server.settings({ 'reload-command': `sh ${node.path('reload')}` });
      node.put('reload', 'exec sleep 60\n');
      const isSwitched = (): true | undefined =>
        /^switching/m.test(node.read('var/lib/rookery/php/state')) ? true : undefined;
      const polite = node.begin('activate', B);
      await poll('the switch', isSwitched);
      await delay(300);
      node.put('reload', `${reload}\n`);
      process.kill(-(polite.pid ?? 0), 'SIGTERM');
      await poll('it to switch back', () => (isSwitched() ? undefined : true));
      expect(await node.standing(A)).toBe('active');

      node.put('reload', 'exec sleep 60\n');
      const killed = node.begin('activate', B);
      await poll('the switch', isSwitched);
      await delay(300);
      process.kill(-(killed.pid ?? 0), 'SIGKILL');
      server.settings();
      expect((await node.must(0, 'status')).said).toContain(
        `the activation of ${B} was stopped half way`,
      );
      await node.must(0, 'rollback');
      expect([await server.get('/id.php'), await node.standing(A)]).toEqual([A, 'active']);
      await node.must(0, 'activate', B);
      expect(await server.get('/id.php')).toBe(B);
    });
  });

  itWith('nginx')('starts what is active after a boot', async () => {
    await withNode('nginx', async (node, server) => {
      await node.must(0, 'activate', A);
      await node.must(0, 'stop');
      rmSync(node.path('run'), { recursive: true });
      expect(await server.get('/id.php')).toContain('502');
      await node.must(0, 'start');
      expect(await server.get('/id.php')).toBe(A);
      expect((await node.must(0, 'start')).said).toContain('runs already');
    });
  });
});
