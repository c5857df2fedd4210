import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type RunResult, run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { type ProofServer, startProofServer } from '../http/proof-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MANIFEST = 'b'.repeat(64);
const folder = temporaryFolder();
const prefix = join(folder, 'node');
let farm: ProofServer;

beforeAll(async () => {
  farm = await startProofServer(join(folder, 'farm'));
  await farm.add('app-misc/a-1');
  await farm.publish();
  put('setup.sh', await (await fetch(`${farm.url}/setup/web/testing.sh`)).text());
  mkdirSync(join(prefix, 'etc/portage'), { recursive: true });
  const home = ['--gnupg-home', join(prefix, 'gnupg')];
  await runChecked(['sh', join(prefix, 'setup.sh'), '--prefix', prefix, ...home], {
    env: toolEnvironment(),
  });
  put('etc/rookery/node.token', `${await farm.tokens.create('pre1', 'node', 'test')}\n`, 0o600);
});

afterAll(async () => {
  await farm.close();
});

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(prefix, path)), { recursive: true });
  writeFileSync(join(prefix, path), text, { mode });
}

async function report(): Promise<RunResult> {
  const program = join(prefix, 'usr/local/sbin/rookery-node');
  return await run([program, 'report', '--name', 'pre1'], { env: toolEnvironment() });
}

async function told() {
  return (await farm.installation.proofs.node('pre1'))[0]?.php;
}

it('says which PHP trees of the profile the node has, with the program of the same setup', async () => {
  await report();
  expect(await told()).toEqual([]);

  put('opt/php/8.4.1-web-r1/META.json', '{\n"requires": "x86_64: libz.so.1",\n"glibc": null\n}\n');
  put('opt/php/8.4.1-db-r1/META.json', '{\n}\n');
  const lines = ['tree 8.4.1-web-r1 web', 'tree 8.4.1-db-r1 db'];
  const state = lines.map((line) => `${line} ${MANIFEST} 1760000000\n`).join('');
  put('var/lib/rookery/php/state', state);
  await report();
  expect(await told()).toEqual([
    {
      id: '8.4.1-web-r1',
      profile: 'web',
      manifest: MANIFEST,
      state: 'resident',
      verifiedAt: 1_760_000_000,
      requires: 'x86_64: libz.so.1',
    },
  ]);
});

it('leaves them out, and says so, when the program fails', async () => {
  put('etc/rookery/php.conf', 'nonsense\n');
  const { stderr } = await report();
  expect(stderr).toContain('rookery-node: rookery-php says nothing about its trees: ');
  expect(await told()).toBe(null);
});
