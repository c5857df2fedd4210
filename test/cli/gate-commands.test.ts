import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { GateView } from '../../src/protocol/gate.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { sendJson, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { runProgram } from './run-program.ts';
import { publicationView, requestDetail } from './sample-views.ts';

stopFarmServersAfterEach();

const root = temporaryFolder();
const CHECK = 'GET /api/profiles/web-v3/channels/testing/check';
const FOUND: GateView = {
  findings: [
    {
      id: 'soname-missing-0123456789',
      kind: 'soname-missing',
      cpv: 'app-misc/a-1',
      message: 'app-misc/a-1 needs the library liba.so.1 (x86_64); there is liba.so.2.',
      remedy: 'Rebuild app-misc/a.',
      rebuild: 'app-misc/a:0',
      verdict: 'refused',
      allowance: null,
    },
    {
      id: 'count-dropped-0123456789',
      kind: 'count-dropped',
      cpv: '',
      message: '9 of 20 packages would be gone.',
      remedy: 'Look.',
      rebuild: null,
      verdict: 'allowed',
      allowance: { author: 'token:ops', reason: 'spring cleaning', createdAt: 1 },
    },
  ],
  rebuild: ['app-misc/a:0'],
};
const SHOWN = `refused  soname-missing-0123456789
  app-misc/a-1 needs the library liba.so.1 (x86_64); there is liba.so.2.
  Rebuild app-misc/a.
allowed  count-dropped-0123456789
  9 of 20 packages would be gone.
  Allowed by token:ops: spring cleaning
To be rebuilt: app-misc/a:0
`;

describe('channel check', () => {
  it('shows what the gate has found, and fails when it would refuse', async () => {
    const server = await startFarmServer();
    server.answer(CHECK, FOUND);
    const words = ['channel', 'check', 'web-v3', 'testing', '--newest', '--server', server.url];
    const { code, stdout, stderr } = await runProgram(words);
    expect(stdout).toBe(`${SHOWN}1 finding would refuse it.\n`);
    expect([code, stderr]).toEqual([1, expect.stringContaining('[publication-refused]')]);
    expect(server.seen.at(-1)?.query.get('contents')).toBe('newest');
  });

  it('says that nothing speaks against it', async () => {
    const server = await startFarmServer();
    server.answer(CHECK, { findings: [], rebuild: [] });
    const words = ['channel', 'check', 'web-v3', 'testing', '--from', 'edge@3'];
    const result = await runProgram([...words, '--server', server.url]);
    expect(result).toMatchObject({
      code: 0,
      stdout: 'Nothing speaks against publishing this on web-v3/testing.\n',
    });
    expect(server.seen.at(-1)?.query.get('contents')).toBe('edge@3');
  });
});

describe('channel publish', () => {
  const PUBLISH = 'POST /api/profiles/web-v3/channels/testing/publish';
  const words = ['channel', 'publish', 'web-v3', 'testing', '--reason', 'why'];

  it('shows what it was refused for', async () => {
    const server = await startFarmServer();
    server.on(PUBLISH, (_, response) => {
      const code = 'publication-refused';
      const problem = { code, title: 'No.', status: 409, requestId: 'r', details: FOUND };
      sendJson(response, 409, problem);
    });
    const { code, stderr } = await runProgram([...words, '--server', server.url]);
    expect([code, stderr]).toEqual([1, `${SHOWN}rookery: No. [publication-refused]\n`]);
  });

  it('lets findings pass', async () => {
    const server = await startFarmServer();
    server.answer(PUBLISH, publicationView(), 201);
    const { code } = await runProgram([...words, '--server', server.url, '--allow', 'a-1', 'b-2']);
    expect(code).toBe(0);
    expect(JSON.parse(server.seen.at(-1)?.body.toString() ?? '')).toEqual({
      reason: 'why',
      allow: ['a-1', 'b-2'],
    });
  });
});

describe('build request --rebuild-for', () => {
  it('needs no atoms', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/requests', requestDetail({ state: 'planning' }), 201);
    const words = ['build', 'request', 'web-v3', '--server', server.url];
    expect((await runProgram([...words, '--rebuild-for', 'testing'])).code).toBe(0);
    expect(JSON.parse(server.seen.at(-1)?.body.toString() ?? '')).toEqual({
      profile: 'web-v3',
      atoms: [],
      rebuild: false,
      rebuildFor: 'testing',
    });
    const { code, stderr } = await runProgram(words);
    expect([code, stderr]).toEqual([1, expect.stringContaining('[nothing-to-build]')]);
    await runProgram([...words, '@world', '--newuse', '--update', '--deep']);
    expect(JSON.parse(server.seen.at(-1)?.body.toString() ?? '')).toEqual({
      profile: 'web-v3',
      atoms: ['@world'],
      rebuild: false,
      resolve: ['update', 'deep', 'newuse'],
    });
  });
});

describe('profile base', () => {
  it('lists what is installed below a root', async () => {
    const put = (path: string, text: string): void => {
      mkdirSync(join(root, 'var/db/pkg', path, '..'), { recursive: true });
      writeFileSync(join(root, 'var/db/pkg', path), text);
    };
    put('sys-libs/glibc-2.41-r3/SLOT', '2.2\n');
    put('sys-libs/glibc-2.41-r3/USE', 'amd64 multiarch elibc_glibc\n');
    put('sys-libs/glibc-2.41-r3/IUSE', '+multiarch ssp\n');
    put('sys-libs/glibc-2.41-r3/PROVIDES', 'x86_32: libc.so.6 x86_64: libc.so.6 libm.so.6\n');
    put('app-misc/hello-1.0/SLOT', '0/1\n');
    put('app-misc/-MERGING-hello-2.0/SLOT', '0\n');
    expect(await runProgram(['profile', 'base', '--root', root])).toMatchObject({
      code: 0,
      stdout: `app-misc/hello-1.0:0/1
sys-libs/glibc-2.41-r3:2.2 multiarch -ssp
provides x86_32: libc.so.6
provides x86_64: libc.so.6 libm.so.6
`,
    });
    const { code, stderr } = await runProgram(['profile', 'base', '--root', join(root, 'none')]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('[not-an-installation]')]);
  });
});
