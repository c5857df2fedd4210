import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { filterThrough } from '../../src/support/filters.ts';
import { toolEnvironment } from '../../src/support/processes.ts';
import { poll } from './poll.ts';

const env = toolEnvironment();

async function* repeat(piece: string, times: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < times; done += 1) {
    yield Buffer.from(piece);
  }
}

async function* broken(): AsyncGenerator<Buffer> {
  yield Buffer.from('x');
  throw new Error('the disk is gone');
}

async function text(pieces: AsyncIterable<Buffer>): Promise<string> {
  let all = '';
  for await (const piece of pieces) {
    all += piece.toString('latin1');
  }
  return all;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a filter', () => {
  it('gives what the program makes of the input', async () => {
    const input = repeat('abc\n'.repeat(1000), 500);

    const output = await text(filterThrough(['tr', 'a-z', 'A-Z'], input, { env }));

    expect(output).toBe('ABC\n'.repeat(500_000));
  });

  it('fails with what the program said', async () => {
    const command = ['sh', '-c', 'cat >/dev/null; echo no good >&2; exit 3'];

    await expect(text(filterThrough(command, repeat('x', 1), { env }))).rejects.toMatchObject({
      code: 'process-failed',
      message: expect.stringContaining('no good'),
      details: { exitCode: 3 },
    });
  });

  it('is content with a program that does not read everything', async () => {
    const output = filterThrough(['head', '-c', '3'], repeat('x'.repeat(100_000), 100), { env });

    expect(await text(output)).toBe('xxx');
  });

  it('says which program is missing', async () => {
    const output = filterThrough(['no-such-program-here'], repeat('x', 3), { env });

    await expect(text(output)).rejects.toMatchObject({ code: 'program-not-found' });
  });

  it('throws what the input throws', async () => {
    await expect(text(filterThrough(['cat'], broken(), { env }))).rejects.toThrow(
      'the disk is gone',
    );
  });

  it('takes no more input than the reader takes output', async () => {
    let given = 0;
    const input = async function* input(): AsyncGenerator<Buffer> {
      for (; given < 1000; given += 1) {
        yield Buffer.alloc(100_000);
      }
    };
    const output = filterThrough(['cat'], input(), { env });

    await output.next();
    await delay(200);
    const taken = given;
    await output.return(undefined);

    expect(taken).toBeLessThan(100);
  });

  it('kills the program and its children when the reader stops', async () => {
    const command = ['sh', '-c', 'sleep 1000 & echo $!; wait'];
    let pid = 0;
    for await (const piece of filterThrough(command, repeat('', 0), { env })) {
      pid = Number(piece.toString());
      expect(isAlive(pid)).toBe(true);
      break;
    }

    await poll('the child to be gone', () => (isAlive(pid) ? undefined : true));
  });

  it('stops on abort', async () => {
    const controller = new AbortController();
    const output = filterThrough(['sh', '-c', 'echo started; sleep 1000'], repeat('', 0), {
      env,
      signal: controller.signal,
    });

    await output.next();
    controller.abort();

    await expect(output.next()).rejects.toMatchObject({ code: 'process-aborted' });
  });
});
