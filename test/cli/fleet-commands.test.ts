import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  hanging,
  type RolloutServer,
  sampleFleet,
  startRolloutServer,
} from '../http/rollout-server.ts';
import { startTestServer } from '../http/test-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

const folder = temporaryFolder();
let farm: RolloutServer;

beforeAll(async () => {
  farm = await startRolloutServer(join(folder, 'farm'));
  await writeFile(join(folder, 'admin.token'), farm.admin);
  await farm.report();
});

afterAll(async () => {
  await farm.close();
});

async function run(...words: readonly string[]): Promise<ProgramResult> {
  return await runProgram(['fleet', ...words], {
    env: { ROOKERY_SERVER: farm.url, ROOKERY_TOKEN_FILE: join(folder, 'admin.token') },
    cwd: folder,
  });
}

/** What it prints, when all is well. */
async function printed(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...words);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

async function refused(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...words);
  expect([code, stdout]).toEqual([1, '']);
  return stderr;
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return name;
}

describe('rookery fleet import', () => {
  const MORE = sampleFleet().replace('web3-[1-2]', 'web3-[1-3]');

  it('says what would change, then does it, and then that nothing does', async () => {
    const words = ['import', await file('fleet.toml', MORE), '--reason', 'one more'];
    const dry = JSON.parse(await printed(...words, '--dry-run', '--json'));
    expect(dry).toMatchObject({ isNew: true, changes: { nodes: { added: ['web3-3'] } } });
    expect(await printed(...words, '--dry-run')).toBe(
      'nodes added: web3-3\nfarms changed: web3\nThis would be revision 2.\n',
    );
    expect(await printed(...words)).toBe(
      'nodes added: web3-3\nfarms changed: web3\nRevision 2 holds now.\n',
    );
    expect(await printed(...words)).toBe(
      'Revision 2 says the same already; nothing was changed.\n',
    );
  });

  it('takes what it has written for Ansible', async () => {
    const hosts = await printed('export', 'ansible');
    expect(JSON.parse(hosts)).toMatchObject({
      _meta: { hostvars: { 'web3-3': { rookery_index: 3, rookery_profile: 'web' } } },
    });
    expect(await printed('export', 'ansible', '--json')).toBe(hosts);
    const words = ['import', await file('hosts.json', hosts), '--reason', 'the same'];
    expect(await printed(...words)).toBe(
      'Revision 2 says the same already; nothing was changed.\n',
    );
  });

  it.each([
    ['[site.berlin]\npeak-lode = 1\n', 'site.berlin.peak-lode = 1'],
    [sampleFleet().replace('"web"', '"wbe"'), 'profile = "wbe": it is no hardware profile'],
    ['[site.berlin\n', 'fleet'],
    [sampleFleet().replace('web3-[1-2]', 'web1-[1-2]'), 'web1-1'],
  ])('refuses %j with what is wrong in it', async (text, value) => {
    const name = await file('bad.toml', text);
    const said = await refused('import', name, '--reason', 'x');
    expect(said).toContain('[inventory-refused]');
    expect(said).toContain(value === 'fleet' ? name : value);
  });

  it('refuses a file that is not there, another format, and to do it without a reason', async () => {
    expect(await refused('import', 'gone.toml', '--reason', 'x')).toMatch(
      /The inventory file gone\.toml cannot be read: .*\[inventory-unreadable\]/,
    );
    const toml = await file('fleet.toml', MORE);
    const asAnsible = await refused('import', toml, '--format', 'ansible', '--reason', 'x');
    expect(asAnsible).toContain('[inventory-refused]');
    expect((await run('import', toml)).stderr).toContain("'--reason <text>' not specified");
    expect((await run('import', toml, '--format', 'csv', '--reason', 'x')).stderr).toContain(
      "argument 'csv' is invalid",
    );
  });
});

describe('rookery fleet show', () => {
  it('shows farms as they are, and as they were', async () => {
    const [head, ...rows] = (await printed('show', '--revision', '1')).trimEnd().split('\n');
    expect(head).toMatch(/^revision 1 by test, \d{4}-.* UTC: a test$/);
    expect(rows).toEqual([
      'SITE    FARM  MEMBERS  PROFILES  MAX OUT  MIN SERVING',
      'berlin  web1  3        web       1        2',
      'berlin  web2  3        web       1        2',
      'paris   web3  2        web       1        1',
    ]);
    const { inventory } = JSON.parse(await printed('show', '--json'));
    expect(inventory.sites[1].farms[0].members).toHaveLength(3);
  });

  it('refuses a revision that there is not', async () => {
    expect(await refused('show', '--revision', '9')).toMatch(/ 9.*\[unknown-inventory\]/);
    expect((await run('show', '--revision', 'x')).stderr).toContain('x');
  });
});

describe('rookery fleet status', () => {
  it('draws how members stand, and says what is to be looked at', async () => {
    expect(await printed('status')).toBe(
      [
        'SITE    FARM  1  2  3',
        'berlin  web1  .  .  .',
        'berlin  web2  .  .  .',
        'paris   web3  .  .  ?',
        '. as published   ? has never reported',
        'web3-3 has never reported.',
        '8 of 9 members as published.',
        '',
      ].join('\n'),
    );
    await farm.pass(61_000);
    expect(await printed('status', '--fresh', '60')).toContain('web1-1 has not reported for 1 m');
    await farm.report();
    const status = JSON.parse(await printed('status', '--json'));
    expect(status.farms.map(({ name }: { readonly name: string }) => name)).toEqual([
      'web1',
      'web2',
      'web3',
    ]);
    expect((await run('status', '--fresh', 'soon')).stderr).toContain('soon');
  });

  it('says how to begin where there is no inventory', async () => {
    const empty = await startTestServer();
    try {
      const given = { env: { ROOKERY_SERVER: empty.url }, cwd: folder };
      const { stdout } = await runProgram(['fleet', 'status'], given);
      expect(stdout).toContain('There is no inventory yet; import one with: rookery fleet import');
      const { code, stderr } = await runProgram(['fleet', 'export', 'ansible'], given);
      expect([code, stderr]).toEqual([1, expect.stringContaining('[unknown-inventory]')]);
    } finally {
      await empty.close();
    }
  });
});

describe('rookery fleet impact', () => {
  it('says what an upgrade would do to nodes, before it is done', async () => {
    const lines = (await printed('impact', 'web/testing@2', '--node', 'web1-1')).split('\n');
    expect(lines[0]).toBe('web/testing@2 on web1-1: disruptive');
    expect(lines).toContainEqual(
      expect.stringMatching(/^disruptive +dev-libs\/openssl +3\.4\.1 +3\.5\.0 +libssl\.so\.3 is /),
    );
    const [impact] = JSON.parse(await printed('impact', 'web/testing@3', '--json')).impacts;
    expect(impact).toMatchObject({ effect: 'reboot', nodes: { length: 8 } });
  });

  it.each([
    [['web/testing@9'], 'unknown-publication', '9'],
    [['nope/testing'], 'unknown-profile', 'nope'],
    [['web/prod'], 'unknown-channel', 'prod'],
    [['web'], 'invalid-body', 'web'],
    [['web/testing', '--node', 'web9-9'], 'unknown-node', 'web9-9'],
  ])('refuses %j', async (words, code, value) => {
    const said = await refused('impact', ...words);
    expect(said).toContain(`[${code}]`);
    expect(said).toContain(value);
  });
});

describe('rookery fleet held, release', () => {
  it('lists what a rollout has left, until somebody gives it free', async () => {
    expect([await printed('held'), await printed('held', '--json')]).toEqual([
      'No node is held.\n',
      '[]\n',
    ]);
    farm.fates.step = hanging('web1-1', 'stop-web');
    const scope = { sites: [], farms: [], nodes: ['web1-1'] };
    const { id } = await farm.started({ scope });
    await farm.reaches(id, 'canary/web1-1', 'held');
    const [head, row] = (await printed('held')).split('\n');
    expect(head).toMatch(/^NODE +ROLLOUT +SINCE +BECAUSE$/);
    expect(row).toMatch(new RegExp(`^web1-1 +${id.slice(0, 12)} .*web1-1 is still at it`));
    expect(JSON.parse(await printed('held', '--json'))).toMatchObject([
      { node: 'web1-1', rollout: id, since: expect.any(Number) },
    ]);
    expect(await farm.during(printed('release', 'web1-1', '--reason', 'new disk'))).toBe(
      'web1-1 is free: rollouts may touch it again.\n',
    );
    expect(await printed('held')).toBe('No node is held.\n');
  });

  it('refuses to release what is not held, without a reason, or by others', async () => {
    expect(await refused('release', 'web1-2', '--reason', 'x')).toBe(
      'rookery: The node web1-2 is not held. [node-not-held]\n',
    );
    expect((await run('release', 'web1-2')).stderr).toContain("'--reason <text>' not specified");
    await file('node.token', await farm.tokens.create('web1-2', 'node', 'test'));
    const { code, stderr } = await runProgram(['fleet', 'release', 'web1-2', '--reason', 'x'], {
      env: { ROOKERY_SERVER: farm.url, ROOKERY_TOKEN_FILE: join(folder, 'node.token') },
      cwd: folder,
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('[role-too-low]')]);
  });
});

describe('rookery fleet haproxy', () => {
  it('prints the configuration of a site of the inventory of the server', async () => {
    const text = await printed('haproxy', 'berlin', '--bind', ':8080');
    expect(text).toContain('bind :8080');
    expect(text).toMatch(/server web1-1 web1-1:80/);
    expect(text).not.toContain('web3-1');
  });

  it.each([
    [1, ['rome'], 'no site "rome"'],
    [1, ['berlin', '--balancer', 'lb9'], 'lb9'],
    [2, ['berlin', '--member-port', 'http'], 'http'],
    [2, ['berlin', '--live', 'red'], "'red' is invalid"],
  ])('ends with %d for %j', async (status, words, said) => {
    const { code, stderr } = await run('haproxy', ...words);
    expect([code, stderr]).toEqual([status, expect.stringContaining(said)]);
  });
});
