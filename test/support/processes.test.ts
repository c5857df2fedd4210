import { describe, expect, it } from '@jest/globals';
import {
  ended,
  killGroup,
  run,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { poll } from './poll.ts';

const env = toolEnvironment();

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('run', () => {
  it('gives input, and returns exit code and both outputs', async () => {
    const result = await run(['sh', '-c', 'cat; echo oops >&2; exit 3'], { env, input: 'hello' });
    expect({ ...result, stdout: result.stdout.toString() }).toEqual({
      exitCode: 3,
      stdout: 'hello',
      stderr: 'oops\n',
    });
  });

  it('hands on only the environment it is given', async () => {
    const { stdout } = await run(['/usr/bin/env'], { env: { ONLY: 'this' } });
    expect(stdout.toString().split('\n')).toEqual(['ONLY=this', '']);
  });

  it('does not mind a program that ends without reading its input', async () => {
    const { exitCode } = await run(['true'], { env, input: Buffer.alloc(4_000_000) });
    expect(exitCode).toBe(0);
  });

  it.each([
    [['sleep', '30'], { timeoutMs: 50 }, 'process-timeout'],
    [['yes'], { maxOutputBytes: 1000 }, 'process-output-too-large'],
    [['no-such-program-here'], {}, 'program-not-found'],
  ])('refuses %j %j with %s', async (command, options, code) => {
    await expect(run(command, { env, ...options })).rejects.toMatchObject({ code });
  });

  it('ends the whole group when it is aborted', async () => {
    const abort = new AbortController();
    const work = run(['sh', '-c', 'sleep 30 & wait'], { env, signal: abort.signal });
    abort.abort();
    await expect(work).rejects.toMatchObject({ code: 'process-aborted' });
  });
});

describe('runChecked', () => {
  it('throws the end of what a failing program said', async () => {
    await expect(
      runChecked(['sh', '-c', 'echo because >&2; exit 2'], { env }),
    ).rejects.toMatchObject({
      code: 'process-failed',
      message: 'sh ended with 2: because',
    });
  });
});

describe('killGroup', () => {
  it('reaches grandchildren, and says when nobody is left', async () => {
    const command = ['sh', '-c', 'sleep 60 & echo $!; wait'];
    const child = spawnGroup(command, { env }, ['ignore', 'pipe', 'ignore']);
    const grandchild = await new Promise<number>((resolve) => {
      child.stdout?.once('data', (data: Buffer) => {
        resolve(Number(data.toString()));
      });
    });
    expect(isAlive(grandchild)).toBe(true);

    expect(killGroup(child, 'SIGKILL')).toBe(true);

    expect(await ended(child, command)).toBe(137);
    await poll('the grandchild to be gone', () => (isAlive(grandchild) ? undefined : true));
    expect(killGroup(child, 'SIGKILL')).toBe(false);
  });
});
