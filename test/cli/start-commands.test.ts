import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { runProgram } from './run-program.ts';

const folder = temporaryFolder();

describe('serve and agent', () => {
  it('hand over what the command line says', async () => {
    const calls: unknown[] = [];
    const parts = {
      serve: async (options: unknown) => {
        calls.push(options);
      },
      agent: async (options: unknown) => {
        calls.push(options);
      },
    };
    writeFileSync(join(folder, 'b.token'), 'rky_builder\n');
    const words =
      '--token-file b.token --name b1 --work w --slots 3 --pass-env http_proxy --label ssd --profile web';
    await runProgram(['serve', '--config', 'x.toml'], { parts });
    const env = { ROOKERY_SERVER: 'http://farm:1' };
    await runProgram(['agent', ...words.split(' '), '--pass-env', 'no_proxy'], {
      parts,
      env,
      cwd: folder,
    });
    expect(calls).toEqual([
      { config: 'x.toml' },
      {
        server: 'http://farm:1',
        token: 'rky_builder',
        name: 'b1',
        workFolder: join(folder, 'w'),
        slots: 3,
        passEnvironment: ['http_proxy', 'no_proxy'],
        labels: ['ssd'],
        profiles: ['web'],
      },
    ]);
  });

  it('an agent passes nothing on by itself, and names the file of a token that is not there', async () => {
    const calls: unknown[] = [];
    const agent = async (options: unknown): Promise<void> => {
      calls.push(options);
    };
    writeFileSync(join(folder, 'b.token'), 'rky_builder\n');
    await runProgram(['agent', '--token-file', 'b.token'], { parts: { agent }, cwd: folder });
    expect(calls).toEqual([expect.objectContaining({ passEnvironment: [] })]);
    const result = await runProgram(['agent', '--token-file', 'nope'], { cwd: folder });
    expect([result.code, result.stderr]).toEqual([
      1,
      'rookery: There is no token file nope. [token-file-unreadable]\n',
    ]);
    expect((await runProgram(['agent', '--help'])).stdout).toContain('builder.token');
  });

  it('an agent without a token says so', async () => {
    const result = await runProgram(['agent'], { cwd: folder });
    expect([result.code, result.stderr]).toEqual([
      1,
      'rookery: An agent needs a token of role builder: name its file with --token-file. [token-file-missing]\n',
    ]);
  });
});
