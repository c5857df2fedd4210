import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { NOON } from './noon.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

stopFarmServersAfterEach();
const folder = temporaryFolder();

async function runToken(
  server: Pick<FarmServer, 'url'>,
  ...words: readonly string[]
): Promise<ProgramResult> {
  const env = { ROOKERY_SERVER: server.url };
  return await runProgram(['token', ...words], { env, cwd: folder });
}

describe('token', () => {
  it('prints a new token alone on stdout, or puts it into a file for its owner only', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/tokens', { name: 'b1', role: 'builder', token: 'rky_x' }, 201);
    const printed = await runToken(server, 'create', 'b1', '--role', 'builder');
    expect(printed.stdout).toBe('rky_x\n');
    expect(JSON.parse(server.seen.at(-1)?.body.toString() ?? '')).toEqual({
      name: 'b1',
      role: 'builder',
    });
    const written = await runToken(server, 'create', 'b1', '--role', 'builder', '--to', 'b1.token');
    expect(written.stdout).toBe('Token b1 of role builder is in b1.token.\n');
    expect(readFileSync(join(folder, 'b1.token'), 'utf8')).toBe('rky_x\n');
    expect(statSync(join(folder, 'b1.token')).mode & 0o777).toBe(0o600);
  });

  it('never writes a token over a file, and makes none when it could not be kept', async () => {
    const server = await startFarmServer();
    server
      .answer('POST /api/tokens', { name: 'b2', role: 'builder', token: 'rky_y' }, 201)
      .answer('POST /api/tokens/b2/rotate', { name: 'b2', role: 'builder', token: 'rky_z' });
    writeFileSync(join(folder, 'kept.token'), 'rky_kept\n');
    for (const words of [
      ['create', 'b2', '--role', 'builder', '--to', 'kept.token'],
      ['rotate', 'b2', '--to', 'kept.token'],
    ]) {
      const result = await runToken(server, ...words);
      expect([result.code, result.stderr]).toEqual([
        1,
        'rookery: There is a file kept.token already; it is not replaced. [token-file-exists]\n',
      ]);
    }
    const nowhere = await runToken(server, 'rotate', 'b2', '--to', 'none/b2.token');
    expect(nowhere.stderr).toContain('[token-file-unwritable]');
    expect(server.seen).toEqual([]);
    expect(readFileSync(join(folder, 'kept.token'), 'utf8')).toBe('rky_kept\n');

    server.refuse('POST /api/tokens/b2/rotate', 404, 'unknown-token', 'There is no token b2.');
    const refused = await runToken(server, 'rotate', 'b2', '--to', 'b2.token');
    expect(refused.stderr).toBe('rookery: There is no token b2. [unknown-token]\n');
    expect(existsSync(join(folder, 'b2.token'))).toBe(false);
  });

  it('rotates a token', async () => {
    const server = await startFarmServer();
    const made = { name: 'b3', role: 'builder', token: 'rky_z' };
    server.answer('POST /api/tokens/b3/rotate', made);
    const printed = await runToken(server, 'rotate', 'b3');
    expect(printed.stdout).toBe('rky_z\n');
    expect(printed.stderr).toContain('The old one is void.');
    expect(JSON.parse((await runToken(server, 'rotate', 'b3', '--json')).stdout)).toEqual(made);
    const written = await runToken(server, 'rotate', 'b3', '--to', 'b3.token');
    expect(written.stdout).toBe('Token b3 of role builder is in b3.token.\n');
    expect(readFileSync(join(folder, 'b3.token'), 'utf8')).toBe('rky_z\n');
    expect(statSync(join(folder, 'b3.token')).mode & 0o777).toBe(0o600);
  });

  it('lists and revokes tokens', async () => {
    const server = await startFarmServer();
    const tokens = [
      { name: 'a', role: 'admin', createdAt: NOON, revokedAt: null },
      { name: 'b1', role: 'builder', createdAt: NOON, revokedAt: NOON },
    ];
    server.answer('GET /api/tokens', { tokens }).on('DELETE /api/tokens/b1', (_, response) => {
      response.writeHead(204).end();
    });
    expect((await runToken(server, 'list')).stdout).toBe(
      [
        'NAME  ROLE     MADE                     REVOKED',
        'a     admin    2026-11-22 12:00:00 UTC  -',
        'b1    builder  2026-11-22 12:00:00 UTC  2026-11-22 12:00:00 UTC',
        '',
      ].join('\n'),
    );
    expect((await runToken(server, 'revoke', 'b1')).stdout).toBe('Token b1 is revoked.\n');
  });
});
