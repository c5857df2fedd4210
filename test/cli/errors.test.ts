import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

stopFarmServersAfterEach();
const folder = temporaryFolder();

async function runAt(
  server: Pick<FarmServer, 'url'>,
  ...words: readonly string[]
): Promise<ProgramResult> {
  return await runProgram(words, { env: { ROOKERY_SERVER: server.url }, cwd: folder });
}

async function seenToken(
  words: readonly string[],
  env: Record<string, string>,
  cwd: string,
): Promise<string | undefined> {
  const server = await startFarmServer();
  server.answer('GET /api/agents', { agents: [] });
  const result = await runProgram(['agents', '--server', server.url, ...words], { env, cwd });
  expect(result.stderr).toBe('');
  return server.seen[0]?.headers.authorization;
}

describe('the token of a call', () => {
  it('comes from the option, else the environment, else the state folder, else there is none', async () => {
    mkdirSync(join(folder, 'home/state/tokens'), { recursive: true });
    writeFileSync(join(folder, 'home/state/tokens/admin.token'), 'rky_state\n');
    writeFileSync(join(folder, 'option.token'), 'rky_option\n');
    writeFileSync(join(folder, 'env.token'), 'rky_env');
    const env = { ROOKERY_TOKEN_FILE: join(folder, 'env.token') };
    const home = join(folder, 'home');
    const option = ['--token-file', join(folder, 'option.token')];
    expect(await seenToken(option, env, home)).toBe('Bearer rky_option');
    expect(await seenToken([], env, home)).toBe('Bearer rky_env');
    expect(await seenToken([], {}, home)).toBe('Bearer rky_state');
    expect(await seenToken([], {}, join(folder, 'nothing'))).toBeUndefined();
  });

  it('has to be readable and not empty', async () => {
    writeFileSync(join(folder, 'empty.token'), ' \n');
    const run = async (file: string): Promise<string> =>
      (await runProgram(['agents', '--token-file', file], { cwd: folder })).stderr;
    expect(await run('none')).toBe(
      'rookery: There is no token file none. [token-file-unreadable]\n',
    );
    expect(await run('empty.token')).toBe(
      'rookery: The token file empty.token is empty. [token-file-empty]\n',
    );
    expect(await run('.')).toContain('cannot be read. [token-file-unreadable]\n');
  });
});

describe('what goes wrong', () => {
  it("shows the server's own code and sentence", async () => {
    const server = await startFarmServer();
    server.refuse('GET /api/tokens', 403, 'role-too-low', 'The token b1 has the role builder.');
    expect(await runAt(server, 'token', 'list')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'rookery: The token b1 has the role builder. [role-too-low]\n',
    });
  });

  it('names the URL where no server answers', async () => {
    const server = await startFarmServer();
    await server.stop();
    const result = await runAt(server, 'agents');
    expect(result.code).toBe(1);
    expect(result.stderr).toBe(
      `rookery: No server answers at ${server.url}: connection refused. Is it running, and is --server right? [server-unreachable]\n`,
    );
    const bad = await runAt({ url: 'farm:8700' }, 'agents');
    expect(bad.stderr).toContain('"farm:8700" is not the URL of a server');
  });

  it('does not take just any answer for one of a Rookery server', async () => {
    const server = await startFarmServer();
    const answers: readonly [status: number, body: string, code: string][] = [
      [200, '<html>', 'unexpected-answer'],
      [200, '{"agents":[{}]}', 'unexpected-answer'],
      [500, 'oops', 'unexpected-answer'],
      [502, '<html>', 'server-busy'],
    ];
    for (const [status, body, code] of answers) {
      server.on('GET /api/agents', (_, response) => {
        response.writeHead(status).end(body);
      });
      const result = await runAt(server, 'agents');
      expect([result.code, result.stdout]).toEqual([1, '']);
      expect(result.stderr).toMatch(new RegExp(`^rookery: [^\\n]*\\[${code}\\]\\n$`));
    }
  });

  it.each([
    [['nonsense'], "Unknown command 'nonsense'"],
    [['build', 'lst'], "Unknown command 'lst' (Did you mean list?)"],
    [['build', 'show'], "Missing required argument 'request'"],
    [['build', 'list', '--limit', '0'], 'It has to be a whole number from 1 on.'],
    [['token', 'create', 'x', '--role', 'king'], 'Allowed choices are admin, builder, node.'],
    [['agents', '--colour'], "Unknown option '--colour'"],
  ])('%j is a usage error', async (words, sentence) => {
    const result = await runProgram(words, { cwd: folder });
    expect(result.code).toBe(2);
    expect(result.stdout).toBe('');
    expect(result.stderr).toMatch(/^rookery: [^\n]* \[usage\]\n$/);
    expect(result.stderr).toContain(sentence);
  });

  it('never shows a stack trace, not even of a fault of its own', async () => {
    const parts = {
      serve: async () => {
        throw new TypeError('x is not\na function');
      },
    };
    expect(await runProgram(['serve'], { parts })).toEqual({
      code: 1,
      stdout: '',
      stderr: 'rookery: x is not a function [internal-error]\n',
    });
  });
});
