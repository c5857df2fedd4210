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

  it('an agent compiles for those that are named', async () => {
    const calls: unknown[] = [];
    const agent = async (options: unknown): Promise<void> => {
      calls.push(options);
    };
    const start = async (words: string): Promise<{ code: number; stderr: string }> => {
      const command = ['agent', '--token-file', 'b.token', ...words.split(' ')];
      return await runProgram(command, { parts: { agent }, cwd: folder });
    };
    writeFileSync(join(folder, 'b.token'), 'rky_builder\n');
    const networks = '--distccd-allow 10.1.0.0/16 --distccd-allow 10.2.0.1';
    await start(`--distccd 10.1.0.2 ${networks} --distccd-jobs 8`);
    await start(`--distccd 0.0.0.0 ${networks} --distccd-port 4000 --distccd-host b1.farm`);
    const allow = ['10.1.0.0/16', '10.2.0.1'];
    expect(calls).toMatchObject([
      { distccd: { listen: '10.1.0.2', port: 3632, allow, jobs: 8 } },
      { distccd: { listen: '0.0.0.0', port: 4000, allow, host: 'b1.farm' } },
    ]);
    for (const [words, said] of [
      [`--distccd 10.1.0.2 ${networks} --distccd-port 70000`, '--distccd-port 70000'],
      ['--distccd 10.1.0.2', 'Who may use distccd has to be named'],
      [`--distccd b1 ${networks}`, '--distccd b1 is not an IPv4 address'],
      [`--distccd 0.0.0.0 ${networks}`, '--distccd-host has to say'],
      ['--distccd 10.1.0.2 --distccd-allow 0.0.0.0/0', '--distccd-allow 0.0.0.0/0 is neither'],
      [`--distccd 10.1.0.2 ${networks} --distccd-host a/b`, '--distccd-host a/b is neither'],
    ] as const) {
      const { code, stderr } = await start(words);
      expect(code).toBe(1);
      expect(stderr).toContain(said);
      expect(stderr).toContain('[distccd-setting-invalid]');
    }
    expect(calls).toHaveLength(2);
  });

  it('an agent without a token says so', async () => {
    const result = await runProgram(['agent'], { cwd: folder });
    expect([result.code, result.stderr]).toEqual([
      1,
      'rookery: An agent needs a token of role builder: name its file with --token-file. [token-file-missing]\n',
    ]);
  });
});
