import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  killGroup,
  run,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { folderTree } from '../support/folder-tree.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { isPhpInstalled, makeSigner, manifestOf, type PhpFarm, sha256, sign } from './farm.ts';
import { openTwoTrees, type PhpNode, statusSchema } from './node.ts';

const [A, B, C] = ['8.2.30-web-v3-r1', '8.2.30-web-v3-r2', '8.2.30-web-v3-r3'] as const;
const SHELLS = [['dash'], ['busybox', 'sh'], ['bash', '--posix']];

(isPhpInstalled() ? describe : describe.skip)('rookery-php (needs php8.2-fpm)', () => {
  const folder = temporaryFolder();
  let farm: PhpFarm;
  let nodes = 0;
  let node: PhpNode;

  beforeAll(async () => {
    ({ farm, node } = await openTwoTrees(folder, [A, B]));
  });

  afterAll(async () => {
    await farm.close();
  });

  /** A node on which nothing has happened yet: the setup is copied. */
  beforeEach(() => {
    nodes += 1;
    node.shell = SHELLS[nodes % SHELLS.length] ?? [];
    for (const place of ['opt', 'var/lib/rookery', 'etc/rookery/php.conf']) {
      rmSync(node.path(place), { recursive: true, force: true });
    }
  });

  const server = (path: string): string => join(farm.place, path);

  /** Another file in the place of one that other trees have as well. */
  function replaceOnServer(path: string, change: (bytes: Buffer) => Buffer): void {
    const bytes = change(readFileSync(server(path)));
    const { mode } = statSync(server(path));
    writeFileSync(`${server(path)}.new`, bytes);
    chmodSync(`${server(path)}.new`, mode);
    renameSync(`${server(path)}.new`, server(path));
  }

  /** Exit code 5 with these words, and nothing in place. */
  async function refused(args: readonly string[], words: RegExp, place: string = A): Promise<void> {
    const { exitCode, stderr } = await node.php('pull', ...args);
    expect([exitCode, stderr]).toEqual([5, expect.stringMatching(words)]);
    expect(node.has(`opt/php/${place}`)).toBe(false);
  }

  describe('pull', () => {
    it.each(SHELLS)('fetches the tree of the channel of this node with %s %s', async (...shell) => {
      node.shell = shell.filter((word) => typeof word === 'string');
      const { said } = await node.must(0, 'pull');
      expect(said).toMatch(/INDEX \d+ of web-v3, signed by [0-9A-F]{40}\n/);
      expect(manifestOf(node.tree(A), A)).toBe(readFileSync(server(`${A}/MANIFEST`), 'utf8'));
      expect(readdirSync(node.path('opt/php'))).toEqual([A]);
      const { said: told } = await node.must(0, 'status', '--json');
      const { trees } = statusSchema.parse(JSON.parse(told));
      expect(trees).toEqual([
        {
          id: A,
          profile: 'web-v3',
          manifest: sha256(readFileSync(server(`${A}/MANIFEST`))),
          state: 'resident',
          verifiedAt: expect.any(Number),
          requires: 'x86_64: libc.so.6 libz.so.1',
        },
      ]);
    });

    it('takes what other trees have from them, and no file of another mode', async () => {
      await node.must(0, 'pull');
      expect((await node.must(0, 'pull')).said).toContain('is in its place already');
      const { said } = await node.must(0, 'pull', 'testing');
      const received = Number(/received ([\d,]+) bytes/.exec(said)?.[1]?.replaceAll(',', ''));
      const { size } = statSync(node.path(`opt/php/${A}/bin/php`));
      expect([received > 100, received < size / 100]).toEqual([true, true]);
      const inode = (path: string): number => statSync(node.path(`opt/php/${path}`)).ino;
      expect(inode(`${B}/bin/php`)).toBe(inode(`${A}/bin/php`));
      expect(inode(`${B}/etc/php.ini`)).not.toBe(inode(`${A}/etc/php.ini`));
    });

    it('shows a terminal how far it is, and nothing of that to others', async () => {
      expect((await node.must(0, 'pull')).said).not.toContain('%');
      const command = `${node.program} pull testing`;
      const { stdout } = await runChecked(['script', '-qec', command, '/dev/null'], {
        env: { ...toolEnvironment(), ROOKERY_ROOT: node.root },
      });
      expect(stdout.toString()).toMatch(/\d+% /);
      expect(node.has(`opt/php/${B}`)).toBe(true);
    });

    it('changes nothing with --dry-run', async () => {
      const before = folderTree(node.root);
      expect((await node.must(0, 'pull', '--dry-run')).said).toContain(`would fetch ${A}`);
      expect(folderTree(node.root)).toEqual(before);
    });

    it('never has half a tree in place, whenever it is killed, and ends what it began', async () => {
      let killed = 0;
      for (let count = 0; count < 6; count += 1) {
        const child = node.begin('pull', '--bwlimit', '20000');
        await delay(150 + Math.random() * 1000);
        killed += child.exitCode === null ? 1 : 0;
        killGroup(child, 'SIGKILL');
        const here = existsSync(node.path('opt/php'))
          ? readdirSync(node.path('opt/php')).filter((name) => !name.startsWith('.'))
          : [];
        for (const id of here) {
          expect(manifestOf(node.tree(id), id)).toBe(
            readFileSync(server(`${id}/MANIFEST`), 'utf8'),
          );
          rmSync(node.path('opt/php'), { recursive: true });
        }
      }
      expect(killed).toBeGreaterThan(0);
      await node.must(0, 'pull');
      expect(readdirSync(node.path('opt/php'))).toEqual([A]);
      expect((await node.must(0, 'verify')).said).toBe(`${A} is as its MANIFEST says\n`);
    });

    it('goes on with what came, and leaves no file of another run', async () => {
      await node.must(0, 'pull');
      renameSync(node.tree(A), node.path(`opt/php/.incoming-${A}`));
      writeFileSync(node.path(`opt/php/.incoming-${A}/bin/.php.Xa81Zz`), 'half of it');
      writeFileSync(node.path(`opt/php/.incoming-${A}/etc/php.ini`), 'memory_limit = 1M\n');
      const { said } = await node.must(0, 'pull');
      expect(Number(/received ([\d,]+) bytes/.exec(said)?.[1]?.replaceAll(',', ''))).toBeLessThan(
        9000,
      );
      await node.must(0, 'verify');
    });

    it('says what is missing on this node, and that the farm cannot be reached', async () => {
      node.put('etc/rookery/php.conf', 'min-free-mb = 999999\n');
      expect((await node.must(3, 'pull')).stderr).toMatch(
        /needs \d+ MiB of free space in .*; there are \d+\n/,
      );
      node.put('etc/rookery/php.conf', 'source = rsync://127.0.0.1:9/php\n');
      expect((await node.must(4, 'pull')).stderr).toContain('cannot be had: ');
      node.put('etc/rookery/php.conf', 'bwlimits = 3\n');
      expect((await node.must(3, 'pull')).stderr).toContain(
        'has a setting bwlimits, which there is not',
      );
      node.put('etc/rookery/php.conf', 'bwlimit = 3\n');
      chmodSync(node.path('etc/rookery/php.conf'), 0o666);
      expect((await node.must(3, 'pull')).stderr).toContain('others than its owner may write to');
      expect(node.has('opt/php')).toBe(false);
    });
  });

  describe('what is not to be trusted', () => {
    it('is an INDEX of a foreign key, of another profile, changed, or without a signature', async () => {
      const foreign = await makeSigner(join(folder, 'foreign'), 'foreign');
      const good = readFileSync(server('INDEX.json'), 'utf8');
      farm.publish({ stable: B }, { signer: foreign });
      await refused([], /INDEX\.json has no good signature: .*No public key/);
      // A key that gpg trusts here for another reason, as it does Gentoo's, is no key of the farm.
      const home = ['gpg', '--homedir', node.path('etc/portage/gnupg'), '--batch'];
      const [env, trust] = [toolEnvironment(), `${foreign.primaryFingerprint}:6:\n`];
      await run([...home, '--import'], { env, input: foreign.publicKey });
      await run([...home, '--import-ownertrust'], { env, input: trust });
      await run([...home, '--check-trustdb'], { env });
      await refused([], /signed by [0-9A-F]{40}, which is not a key of the farm of web-v3\n/);
      farm.publish({ stable: A }, { profile: 'db' });
      await refused([], /is of the profile "db", not of web-v3/);
      farm.offer(good);
      writeFileSync(server('INDEX.json'), good.replace(`"stable": "${A}"`, `"stable": "${B}"`));
      const { exitCode, stderr } = await node.php('pull');
      expect([exitCode, stderr]).toEqual([
        4,
        expect.stringMatching(/INDEX\.json\.[0-9a-f]{16}\.sig cannot be had/),
      ]);
      farm.publish({ stable: A, testing: B });
    });

    it('is an older INDEX that is offered again, and another one of the same serial', async () => {
      const old = readFileSync(server('INDEX.json'), 'utf8');
      const text = farm.publish({ stable: A });
      await node.must(0, 'pull');
      rmSync(node.path('opt'), { recursive: true });
      farm.offer(old);
      await refused(
        [],
        /has the serial \d+, but this node has seen \d+: it is an older one, offered again/,
      );
      farm.offer(text.replace(`"stable": "${A}"`, `"stable": "${B}"`));
      await refused([], /as the one that this node has, and says something else/);
      farm.publish({ stable: A, testing: B });
      await node.must(0, 'pull');
    });

    /** A tree of its own, spoiled on the server after it was signed. */
    it.each<[string, RegExp, () => void | Promise<void>]>([
      [
        'a changed byte',
        /etc\/php\.ini: has other contents\n/,
        () => {
          replaceOnServer(`${C}/etc/php.ini`, (bytes) => Buffer.from(bytes).fill('x', 3, 4));
        },
      ],
      [
        'another size',
        /sbin\/php-fpm: is missing\n/,
        () => {
          replaceOnServer(`${C}/sbin/php-fpm`, (bytes) => Buffer.concat([bytes, bytes]));
        },
      ],
      [
        'a wrong mode',
        /etc\/php\.ini: has the mode 0664, not 0644\n/,
        () => {
          replaceOnServer(`${C}/etc/php.ini`, (bytes) => bytes);
          chmodSync(server(`${C}/etc/php.ini`), 0o664);
        },
      ],
      [
        'a link in the place of a file',
        /bin\/php: is missing\n/,
        () => {
          rmSync(server(`${C}/bin/php`));
          symlinkSync('/bin/sh', server(`${C}/bin/php`));
        },
      ],
      [
        'another MANIFEST',
        /the MANIFEST of .*-r3 is not the one that INDEX \d+ names/,
        () => {
          copyFileSync(server(`${A}/MANIFEST`), server(`${C}/MANIFEST`));
        },
      ],
      [
        'the tree of another id under its name',
        /line 2 of MANIFEST, "id .*-r1", names another tree/,
        () => {
          farm.signManifest(C, readFileSync(server(`${A}/MANIFEST`), 'utf8'));
          farm.publish({ stable: A, testing: C });
        },
      ],
      [
        'a MANIFEST of a foreign key',
        /the MANIFEST of .*-r3 has no good signature/,
        async () => {
          const foreign = await makeSigner(join(folder, 'foreign2'), 'foreign2');
          writeFileSync(
            server(`${C}/MANIFEST.sig`),
            sign(foreign, readFileSync(server(`${C}/MANIFEST`), 'utf8')),
          );
        },
      ],
      [
        'a MANIFEST that leads out of the tree',
        /leads elsewhere/,
        () => {
          const line = `f 0644 ${sha256('')} 0 bin/../../../evil\n`;
          farm.signManifest(C, `rookery-php-manifest 1\nid ${C}\nd 0755 - - bin\n${line}`);
          farm.publish({ stable: A, testing: C });
        },
      ],
      [
        'a link that leads out of the tree',
        /has a target elsewhere/,
        () => {
          const text = `rookery-php-manifest 1\nid ${C}\nd 0755 - - bin\nl - - - bin/php -> ../../sh\n`;
          farm.signManifest(C, text);
          farm.publish({ stable: A, testing: C });
        },
      ],
      [
        'a MANIFEST with a mode that lets others write',
        /has a mode that lets others write/,
        () => {
          farm.signManifest(C, `rookery-php-manifest 1\nid ${C}\nd 0775 - - bin\n`);
          farm.publish({ stable: A, testing: C });
        },
      ],
    ])('is %s', async (_, words, spoil) => {
      farm.addTree({ id: C, files: { 'etc/php.ini': 'memory_limit = 77M\n' } });
      farm.publish({ stable: A, testing: C });
      try {
        await spoil();
        await refused(['testing'], words, C);
      } finally {
        rmSync(server(C), { recursive: true });
        farm.unlist(C);
        farm.publish({ stable: A, testing: B });
      }
    });

    it('is a tree that INDEX does not list', async () => {
      await refused(
        [C],
        /INDEX \d+ of web-v3 does not list 8\.2\.30-web-v3-r3: it must not be used/,
        C,
      );
      expect((await node.must(4, 'pull', 'canary')).stderr).toContain('it has: stable testing');
    });

    it('is a mode that the farm changes while a pull is under way: no other tree gets it', async () => {
      await node.must(0, 'pull');
      const child = node.begin('pull', 'testing');
      const incoming = node.path(`opt/php/.incoming-${B}/bin/php`);
      for (let count = 0; count < 500 && !existsSync(incoming); count += 1) {
        await delay(10);
      }
      killGroup(child, 'SIGKILL');
      const isShared = existsSync(incoming) && statSync(incoming).nlink > 1;
      replaceOnServer(`${B}/bin/php`, (bytes) => bytes);
      chmodSync(server(`${B}/bin/php`), 0o777);
      const { exitCode } = await node.php('pull', 'testing');
      expect([isShared, exitCode]).toEqual([true, node.has(`opt/php/${B}`) ? 0 : 5]);
      expect(statSync(node.path(`opt/php/${A}/bin/php`)).mode & 0o777).toBe(0o755);
      chmodSync(server(`${B}/bin/php`), 0o755);
    });
  });

  it('explains itself, refuses what it does not know, and works alone', async () => {
    expect((await node.must(0, '--help')).said).toContain('Exit status: 0 done');
    for (const args of [
      [],
      ['pul'],
      ['pull', '--force'],
      ['pull', '--bwlimit', 'x'],
      ['pull', '../x'],
      ['activate'],
    ]) {
      const { exitCode, said } = await node.php(...args);
      expect([args, exitCode, said]).toEqual([args, 2, '']);
    }
    const lock = node.path('var/lib/rookery/php/lock');
    await node.must(0, 'pull');
    const work = ['sh', '-c', 'echo > "$1"; sleep 600', 'sh', node.path('is-held')];
    const holder = spawnGroup(['flock', lock, ...work], { env: toolEnvironment() }, 'ignore');
    try {
      await poll('the lock to be held', () => (node.has('is-held') ? true : undefined));
      expect((await node.must(9, 'pull')).stderr).toContain('another rookery-php is at work');
    } finally {
      killGroup(holder, 'SIGKILL');
    }
  });
});
