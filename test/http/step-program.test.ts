import { chmod, mkdir, mkdtemp, readFile, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { encodeWords } from '../../src/fleet/drivers/step-words.ts';
import { exists } from '../../src/support/files.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { makeStepNode, type StepNode } from '../fleet/step-node.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

async function makeNode(): Promise<StepNode> {
  return await makeStepNode(await mkdtemp(join(folder, 'node-')));
}

async function endOf(node: StepNode, id: string): Promise<string> {
  return await poll(`the end of ${id}`, async () => {
    const { said } = await node.step(['state', id]);
    return said.startsWith('running') ? undefined : said;
  });
}

async function does(node: StepNode, ...args: readonly string[]): Promise<[number, string]> {
  const { exitCode, said, stderr } = await node.step(['do', ...args]);
  return [exitCode, `${said}${stderr}`];
}

describe.each([
  ['dash', ['dash']],
  ['bash', ['bash', '--posix']],
  ['busybox', ['busybox', 'sh']],
])('rookery-step with %s', (_, shell) => {
  it('takes a step on once, apart from whoever asked for it, and keeps how it ended', async () => {
    const node = await makeNode();
    await node.set(
      `start-command = echo begun >> ${node.prefix}/count; sleep 1; touch ${node.prefix}/web; echo served`,
    );
    const first = await node.step(
      ['start', 'r.1', '--timeout', '50', '--rollout', 'abc', 'start-web'],
      { shell },
    );
    const second = await node.step(['start', 'r.1', 'start-web'], { shell });
    expect([first.said, second.said]).toEqual([
      expect.stringMatching(/^running [0-9]+\n$/),
      expect.stringMatching(/^(running [0-9]+\n|done 0\n)/),
    ]);
    expect(await endOf(node, 'r.1')).toMatch(/^done 0\n[^]*\nserved\n$/);
    await node.step(['start', 'r.1', 'start-web'], { shell });
    expect(await readFile(join(node.prefix, 'count'), 'utf8')).toBe('begun\n');
    expect((await node.step(['look'], { shell })).said).toMatch(
      /^boot-id boot-1\nkernel \S+\nweb running\nphp -\nrelease -\nmerged -\nworkers - - -\n$/,
    );
  });

  it('ends a step that takes too long, and takes no second one on beside it', async () => {
    const node = await makeNode();
    await node.set('start-command = sleep 60');
    await node.step(['start', 'long', '--timeout', '2', 'start-web'], { shell });
    const other = await node.step(['start', 'other', 'stop-web'], { shell });
    expect([other.exitCode, other.stderr]).toEqual([
      9,
      'rookery-step: the step long is at work here\n',
    ]);
    expect(await endOf(node, 'long')).toMatch(/^done 124\n[^]*did not end within 2 seconds\n$/);
    expect((await node.step(['state', 'other'], { shell })).said).toBe('absent\n');
  });

  it('reads words as they were sent', async () => {
    const node = await makeNode();
    const words = ['start', 'odd', 'restart-services', 'a b'];
    const refused = await run([...shell, node.program, 'words'], {
      env: toolEnvironment(),
      input: encodeWords(words),
    });
    expect(refused.stdout.toString()).toBe(
      '>>> rookery-step\nrookery-step: "a b" is not the name of a service\n<<< rookery-step 2\n',
    );
    for (const input of [
      '',
      'rookery-step 2\n.\n',
      encodeWords(['do', 'stop-web']),
      encodeWords(['look']).slice(0, -2),
      'rookery-step 1\n=$(id)\n.\n',
    ]) {
      const result = await run([...shell, node.program, 'words'], {
        env: toolEnvironment(),
        input,
      });
      expect([input, result.exitCode, result.stdout.toString()]).toEqual([input, 2, '']);
    }
  });
});

describe('rookery-step', () => {
  it('gives a word back as it was sent, whatever is in it', async () => {
    const script = `${await readFile(join(import.meta.dirname, '../../src/http/step-program/words.sh'), 'utf8')}
fail() { exit 9; }
while IFS= read -r line; do case $line in =*) decode_word "\${line#=}"; printf '%s\\0' "$decoded"; encode_words "$decoded" >&2 ;; esac; done`;
    const word = fc
      .string({ unit: 'binary', maxLength: 20 })
      .filter((text) => !text.includes('\0') && Buffer.from(text).toString() === text);
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 5 }), async (words) => {
        const { stdout, stderr } = await run(['dash', '-c', script], {
          env: { ...toolEnvironment(), LC_ALL: 'C' },
          input: encodeWords(words),
        });
        expect(stdout.toString().split('\0').slice(0, -1)).toEqual(words);
        expect(`rookery-step 1\n${stderr}.\n`).toBe(encodeWords(words));
      }),
      { numRuns: 15 },
    );
  });

  it('refuses what it cannot run, before anybody counts on it', async () => {
    const node = await makeNode();
    for (const args of [
      [],
      ['strat'],
      ['start', '../x', 'stop-web'],
      ['start', 'x'],
      ['start', 'x', 'emerge'],
      ['start', 'x', '--timeout', '0', 'stop-web'],
      ['start', 'x', 'stop-web', 'now'],
      ['start', 'x', 'snapshot', 'zfs'],
      ['start', 'x', 'restart-services'],
      ['start', 'x', 'merge', 'web', 'stable', '1', 'f'.repeat(64), '/binhost/../etc'],
      ['start', 'x', 'check', '-', '-'],
      ['start', 'x', 'activate-release', 'r1', 'zz'],
      ['health', 'off'],
    ]) {
      expect([args, (await node.step(args)).exitCode]).toEqual([args, 2]);
    }
    await chmod(join(node.prefix, 'etc/rookery/step.conf'), 0o666);
    expect((await node.step(['look'])).exitCode).toBe(3);
  });

  it('forgets old results', async () => {
    const node = await makeNode();
    await node.step(['start', 'old', 'start-web']);
    await endOf(node, 'old');
    const past = Date.now() / 1000 - 40 * 86_400;
    await utimes(join(node.prefix, 'var/lib/rookery/step/steps/old'), past, past);
    await node.step(['start', 'new', 'stop-web']);
    expect(await endOf(node, 'new')).toMatch(/^done 0\n/);
    expect((await node.step(['state', 'old'])).said).toBe('absent\n');
  });

  it('keeps what it tells balancers over a restart', async () => {
    const node = await makeNode();
    expect((await node.step(['health'])).said).toBe('health ready 0\nweb stopped\n');
    await node.step(['health', 'maint']);
    expect(await exists(join(node.prefix, 'var/lib/rookery/step/health'))).toBe(true);
    expect((await node.step(['health'])).said).toMatch(/^health maint [0-9]+\n/);
    await node.step(['health', 'ready']);
    expect(await exists(join(node.prefix, 'var/lib/rookery/step/health'))).toBe(false);
  });

  it('finds processes that serve with code that was replaced', async () => {
    const node = await makeNode();
    const program = join(node.prefix, 'rkserve');
    await node.set('web-processes = rkserve');
    await run(['cp', '/bin/sleep', program], { env: toolEnvironment() });
    const child = run([program, '30'], { env: toolEnvironment(), timeoutMs: 40_000 });
    await poll('the process', async () => {
      const { exitCode } = await run(['pgrep', '-f', program], { env: toolEnvironment() });
      return exitCode === 0 ? true : undefined;
    });
    expect(await does(node, 'rescan')).toEqual([0, expect.stringContaining('no process')]);
    await rm(program);
    const stale = await does(node, 'rescan');
    await run(['pkill', '-f', program], { env: toolEnvironment() });
    await child;
    expect(stale).toEqual([1, expect.stringContaining('rkserve')]);
  });
});

async function withReleases(): Promise<StepNode> {
  const node = await makeNode();
  const { prefix } = node;
  for (const name of ['r1', 'r2']) {
    await mkdir(join(prefix, 'releases', name), { recursive: true });
    await writeFile(join(prefix, 'releases', name, 'index.php'), `<?php echo '${name}';\n`);
  }
  await node.set(
    `releases = ${prefix}/releases`,
    `release-include = ${prefix}/release.conf`,
    `release-template = ${prefix}/template`,
    `test-command = test ! -f ${prefix}/broken`,
    `reload-command = cp ${prefix}/release.conf ${prefix}/loaded`,
  );
  await writeFile(join(prefix, 'template'), 'root @RELEASE@; # @NAME@\n');
  await writeFile(join(prefix, 'web'), '');
  return node;
}

async function digests(node: StepNode): Promise<Map<string, string>> {
  const { said } = await node.step(['releases']);
  return new Map(
    said
      .trim()
      .split('\n')
      .map((line) => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']),
  );
}

describe('a release of the web application', () => {
  it('is switched to when it is what the plan names, and back when it is not good', async () => {
    const node = await withReleases();
    const known = await digests(node);
    expect(await does(node, 'activate-release', 'r1', known.get('r1') ?? '')).toEqual([
      0,
      expect.stringContaining('r1 is the release of this node'),
    ]);
    expect(await readFile(join(node.prefix, 'loaded'), 'utf8')).toBe(
      `root ${node.prefix}/releases/r1; # r1\n`,
    );
    expect((await node.step(['look'])).said).toContain('release r1\n');

    await writeFile(join(node.prefix, 'broken'), '');
    expect(await does(node, 'activate-release', 'r2', known.get('r2') ?? '')).toEqual([
      7,
      expect.stringContaining('r1 serves, as before'),
    ]);
    expect(await readlink(join(node.prefix, 'release.conf'))).toMatch(/r1\.include$/);
    expect(await does(node, 'check', '-', 'r2', '-')).toEqual([
      1,
      expect.stringContaining('not good: the release here is r1, not r2'),
    ]);
    expect(await does(node, 'check', '-', 'r1', '-')).toEqual([
      0,
      expect.stringContaining('all is good'),
    ]);
  });

  it('is another one when anything in it was changed', async () => {
    const node = await withReleases();
    const before = await digests(node);
    expect(await digests(node)).toEqual(before);
    await writeFile(join(node.prefix, 'releases/r2/index.php'), 'changed');
    const after = await digests(node);
    expect(after.get('r1')).toBe(before.get('r1'));
    expect(after.get('r2')).not.toBe(before.get('r2'));
    expect(await does(node, 'activate-release', 'r2', before.get('r2') ?? '')).toEqual([
      5,
      expect.stringContaining('the plan names'),
    ]);
    expect(await exists(join(node.prefix, 'release.conf'))).toBe(false);
  });
});

/** As the programs of lvm, as far as steps use them: a snapshot is a file with what the volume had. */
const LVM: Readonly<Record<string, string>> = {
  lvs: 'for last do :; done; [ -f "$STORE/${last#vg/}" ] && cat "$STORE/attributes"',
  lvcreate: 'cp "$STORE/root" "$STORE/root-before-rollout"; echo "$*" > "$STORE/said"',
  lvconvert: 'mv "$STORE/root-before-rollout" "$STORE/root"',
  lvremove: 'rm "$STORE/root-before-rollout"',
};

describe('a snapshot of LVM', () => {
  it('is made, gone back to, and dropped', async () => {
    const node = await makeNode();
    const store = join(node.prefix, 'store');
    const bin = join(node.prefix, 'bin');
    await mkdir(store);
    await mkdir(bin);
    for (const [name, text] of Object.entries(LVM)) {
      await writeFile(join(bin, name), `#!/bin/sh\nSTORE=${store}\n${text}\n`, { mode: 0o755 });
    }
    await writeFile(join(store, 'root'), 'one');
    await writeFile(join(store, 'attributes'), '  swi-a-s---\n');
    const tools = toolEnvironment();
    const step = async (...args: readonly string[]) =>
      (await node.step(['do', ...args], { env: { PATH: `${bin}:${tools['PATH']}` } })).exitCode;
    expect(await step('snapshot', 'lvm')).toBe(3);
    await node.set('lvm-volume = vg/root');
    expect(await step('snapshot', 'lvm')).toBe(0);
    expect(await readFile(join(store, 'said'), 'utf8')).toBe(
      '--yes --snapshot --name root-before-rollout --extents 10%ORIGIN vg/root\n',
    );
    expect(await step('snapshot', 'lvm')).toBe(3);
    await writeFile(join(store, 'root'), 'two');
    expect(await step('restore-snapshot', 'lvm')).toBe(0);
    expect(await readFile(join(store, 'root'), 'utf8')).toBe('one');
    expect(await step('restore-snapshot', 'lvm')).toBe(3);
    expect(await step('snapshot', 'lvm')).toBe(0);
    await writeFile(join(store, 'attributes'), '  swi-I-s---\n');
    expect(await step('restore-snapshot', 'lvm')).toBe(6);
    expect([await step('drop-snapshot', 'lvm'), await step('drop-snapshot', 'lvm')]).toEqual([
      0, 0,
    ]);
  });
});
