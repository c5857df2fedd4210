import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from '@jest/globals';
import { createCommandRunner } from '../../../src/fleet/drivers/command-runner.ts';
import { createSshRunner } from '../../../src/fleet/drivers/ssh-runner.ts';
import type { StepRunner } from '../../../src/fleet/drivers/step-runner.ts';
import { run, toolEnvironment } from '../../../src/support/processes.ts';
import { freePort } from '../../support/rookery-process.ts';
import { makeIdentity, sshdIsMissing, startSshd } from '../../support/sshd.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makeStepNode, memberAt, type StepNode } from '../step-node.ts';
import { type NodeRunnerHarness, nodeRunnerContract } from './node-runner.ts';

const folder = temporaryFolder();

/** Kills the session of a step, as the kernel kills everything when the power goes. */
async function interrupt({ prefix }: StepNode, id: string): Promise<void> {
  const place = join(prefix, 'var/lib/rookery/step/steps', id, 'process');
  const [pid = ''] = (await readFile(place, 'utf8')).split(' ');
  const { exitCode } = await run(['pkill', '-KILL', '-s', pid], { env: toolEnvironment() });
  if (exitCode !== 0) {
    throw new Error(`the step ${id} has no process`);
  }
}

async function harnessOf(
  node: StepNode,
  runner: StepRunner,
  options: Pick<NodeRunnerHarness, 'member' | 'nobody'> & { stop?(): Promise<void> },
): Promise<NodeRunnerHarness> {
  await node.set(`restart-command = sleep 100`);
  return {
    runner,
    ...options,
    long: { name: 'restart-services', services: ['cron'] },
    bad: { name: 'activate-release', release: { release: 'r1', digest: '0'.repeat(64) } },
    interrupt: async (id) => {
      await interrupt(node, id);
    },
    close: async () => {
      await runner.close();
      await options.stop?.();
    },
  };
}

const missing = await sshdIsMissing();
if (missing === undefined) {
  nodeRunnerContract('OpenSSH', async () => {
    const place = await mkdtemp(join(folder, 'ssh-'));
    const node = await makeStepNode(join(place, 'node'));
    const identityFile = await makeIdentity(place);
    const knownHostsFile = join(place, 'known-hosts');
    const sshd = await startSshd({ folder: join(place, 'sshd'), identityFile, knownHostsFile });
    const runner = createSshRunner({
      identityFile,
      knownHostsFile,
      configFile: null,
      connectTimeoutSeconds: 5,
      keepSeconds: 20,
      concurrency: 4,
      program: [node.program],
      callTimeoutMs: 20_000,
    });
    const ssh = { host: sshd.host, port: sshd.port, user: sshd.user };
    return await harnessOf(node, runner, {
      member: memberAt('web7-3', ssh),
      nobody: memberAt('web7-4', { ...ssh, port: await freePort() }),
      stop: async () => {
        await sshd.stop();
      },
    });
  });
} else {
  describe(`OpenSSH (skipped: ${missing})`, () => {
    it.skip('runs steps on nodes', () => {});
  });
}

/** As tools that start a command on many nodes show it: with the node's name before, and indented. */
const TOOL = `#!/bin/sh
[ "$1" = web7-3 ] || { echo "no response from: $1" >&2; exit 1; }
echo "1 / 1"
echo "$1:"
sh "$2" words "$3" 2>&1 | sed 's/^/    /'
echo "Finished processing 1 / 1 hosts"
`;

nodeRunnerContract('a command of another tool', async () => {
  const place = await mkdtemp(join(folder, 'tool-'));
  const node = await makeStepNode(join(place, 'node'));
  const tool = join(place, 'tool');
  await writeFile(tool, TOOL, { mode: 0o755 });
  const runner = createCommandRunner({
    command: [tool, '{node}', node.program, '{base64}'],
    concurrency: 4,
    callTimeoutMs: 20_000,
  });
  const ssh = { host: 'unused', port: 22, user: 'root' };
  return await harnessOf(node, runner, {
    member: memberAt('web7-3', ssh),
    nobody: memberAt('web7-4', ssh),
  });
});
