import { chmod, mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nodeProgram, phpProgram, stepProgram } from '../../src/http/node-programs.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { PhpFarm } from '../php-node/farm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
let farm: PhpFarm;

beforeAll(async () => {
  farm = await PhpFarm.open(join(folder, 'farm'));
  farm.publish({});
});

afterAll(async () => {
  await farm.close();
});

/** What it says goes into a pipe that nobody reads any more, as when ssh has gone away. */
const INTO_CLOSED_PIPE = [
  'mkfifo "$TMPDIR.fifo"',
  'exec 3<> "$TMPDIR.fifo" 4> "$TMPDIR.fifo" 3<&-',
  'exec "$@" >&4 2>&4 4>&-',
].join('\n');

interface Node {
  readonly prefix: string;
  readonly temporary: string;
}

async function makeNode(): Promise<Node> {
  const prefix = await mkdtemp(join(folder, 'node-'));
  const temporary = join(prefix, 'temporary');
  await mkdir(temporary);
  await mkdir(join(prefix, 'etc/portage'), { recursive: true });
  return { prefix, temporary };
}

async function put({ prefix }: Node, name: string, text: string): Promise<string> {
  const path = join(prefix, name);
  await writeFile(path, text.replace('@PREFIX@', prefix));
  await chmod(path, 0o755);
  return path;
}

async function runUnheard(command: readonly string[], { temporary }: Node): Promise<number> {
  const { exitCode } = await run(['sh', '-euc', INTO_CLOSED_PIPE, 'sh', ...command], {
    env: { ...toolEnvironment(), TMPDIR: temporary },
  });
  return exitCode;
}

describe.each([
  ['dash', ['dash']],
  ['bash', ['bash', '--posix']],
  ['busybox', ['busybox', 'sh']],
])('when nobody hears it any more, %s', (_, shell) => {
  it.each([
    ['rookery-step', stepProgram(), 'look'],
    ['rookery-php', phpProgram(), 'status --json'],
    ['rookery-node', nodeProgram(), 'status'],
  ])('has %s end, and leave no temporary folder behind', async (name, text, command) => {
    const node = await makeNode();
    const program = await put(node, name, text);
    expect(await runUnheard([...shell, program, ...command.split(' ')], node)).toBe(141);
    expect(await readdir(node.temporary)).toEqual([]);
  });

  it('has the setup script leave no temporary folder behind', async () => {
    const node = await makeNode();
    const script = await put(node, 'setup.sh', farm.setupScript());
    const words = [
      '--prefix',
      node.prefix,
      '--gnupg-home',
      join(node.prefix, 'gnupg'),
      '--uninstall',
    ];
    expect(await runUnheard([...shell, script, ...words], node)).toBe(141);
    expect(await readdir(node.temporary)).toEqual([]);
  });
});
