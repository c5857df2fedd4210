import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from '@jest/globals';
import { readTomlInventory } from '../../src/fleet/inventory/read-toml.ts';
import { resolveInventory } from '../../src/fleet/inventory/resolve-inventory.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { isHaproxyInstalled } from '../support/haproxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { runProgram } from './run-program.ts';

stopFarmServersAfterEach();

const EXAMPLE = resolve(import.meta.dirname, '../../docs/fleet.example.toml');
const folder = temporaryFolder();
const isThere = await isHaproxyInstalled();

/** A server with the inventory of the example, which says how this site serves. */
async function startFarm(live: 'blue' | 'green', rollout: string | null) {
  const text = readFileSync(EXAMPLE, 'utf8');
  const { parts } = readTomlInventory([{ name: 'example', text }]);
  const server = await startFarmServer();
  server.answer('GET /api/fleet/inventory', {
    revision: 3,
    digest: 'd',
    createdAt: 1,
    author: 'a',
    reason: '',
    source: { format: 'toml', files: ['example'] },
    inventory: resolveInventory(parts).inventory,
  });
  const sites = [{ site: 'berlin', live, rollout, findings: [] }];
  server.answer('GET /api/fleet/status', { at: 1, revision: 3, farms: [], sites, flags: [] });
  return { env: { ROOKERY_SERVER: server.url }, cwd: folder };
}

it('prints the configuration of a site of the inventory that the server has', async () => {
  const given = await startFarm('blue', null);
  const fromServer = await runProgram(['fleet', 'haproxy', 'berlin', '--balancer', 'lb1'], given);
  copyFileSync(EXAMPLE, join(folder, 'fleet.toml'));
  const words = ['fleet', 'haproxy', 'berlin', '--inventory', 'fleet.toml'];
  const fromFile = await runProgram(words, { env: {}, cwd: folder });

  expect([fromServer.code, fromServer.stderr]).toEqual([0, '']);
  expect(fromServer.stdout).toContain('    server web7-16 10.1.7.16:80 weight 100\n');
  expect(fromServer.stdout).toContain('stats socket /run/haproxy/admin.sock mode 660 level admin');
  expect(fromFile.stdout).toBe(fromServer.stdout);
});

it('takes the backend that serves, and a new generation, from the server', async () => {
  const given = await startFarm('green', 'abcdef0123456789');
  const words = ['fleet', 'haproxy', 'berlin'];
  const { stdout } = await runProgram(words, given);
  expect(stdout).toContain('    description rookery live=green generation=abcdef012345\n');
  const said = await runProgram([...words, '--live', 'blue', '--generation', '7'], given);
  expect(said.stdout).toContain('    description rookery live=blue generation=7\n');
});

it('says what it cannot do', async () => {
  copyFileSync(EXAMPLE, join(folder, 'fleet.toml'));
  writeFileSync(join(folder, 'broken.toml'), '[site.berlin]\npeak-lode = 1\n');
  const ask = async (file: string, site: string): Promise<string> => {
    const words = ['fleet', 'haproxy', site, '--inventory', file];
    const { code, stderr } = await runProgram(words, { env: {}, cwd: folder });
    return `${code} ${stderr}`;
  };
  expect(await ask('fleet.toml', 'rome')).toContain('no site "rome"');
  expect(await ask('fleet.toml', 'paris')).toContain('no balancer with the driver haproxy');
  expect(await ask('broken.toml', 'berlin')).toContain('peak-lode');
  expect(await ask('none.toml', 'berlin')).toMatch(/^1 .*none\.toml.*\[inventory-unreadable\]/);
});

(isThere ? it : it.skip)(
  'prints what HAProxy takes, for all patterns (needs haproxy)',
  async () => {
    copyFileSync(EXAMPLE, join(folder, 'fleet.toml'));
    writeFileSync(join(folder, 'state'), '1\n');
    for (const more of [
      ['--live', 'green', '--generation', '2026.12'],
      ['--new-sessions', 'upgraded-only'],
      ['--pattern', 'drain-the-old', '--balancer', 'lb2'],
    ]) {
      const paths = ['--inventory', 'fleet.toml', '--state-file', join(folder, 'state')];
      const words = ['fleet', 'haproxy', 'berlin', ...paths, '--max-connections', '100', ...more];
      const { stdout } = await runProgram(words, { env: {}, cwd: folder });
      writeFileSync(join(folder, 'haproxy.cfg'), stdout);
      const said = await runChecked(['haproxy', '-c', '-f', join(folder, 'haproxy.cfg')], {
        env: toolEnvironment(),
      });
      expect(said.stdout.toString() + said.stderr).not.toMatch(/WARNING|ALERT/);
    }
  },
);
