import { chmodSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { isRunning, pidOf } from '../../src/agent/process-marks.ts';
import { DistccDaemon } from '../../src/agent/sharing/distcc-daemon.ts';
import { silentLog } from '../../src/support/log.ts';
import { toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

jest.setTimeout(120_000);
const ADDRESS = '127.0.0.2';
const folder = temporaryFolder();
chmodSync(folder, 0o755);
const daemons: DistccDaemon[] = [];

function newDaemon(name: string, port: number, allow = ['127.0.0.0/8']): DistccDaemon {
  const daemon = new DistccDaemon({
    listen: ADDRESS,
    port,
    allow,
    jobs: 2,
    folder: join(folder, name),
    environment: toolEnvironment(),
    log: silentLog(),
  });
  daemons.push(daemon);
  return daemon;
}

async function markOf(name: string): Promise<string> {
  return await readFile(join(folder, name, 'pid'), 'utf8');
}

afterEach(async () => {
  for (const daemon of daemons.splice(0)) {
    await daemon.stop();
  }
});

describe('the distccd of an agent', () => {
  it('is gone when it was stopped, and can be stopped again', async () => {
    const daemon = newDaemon('stopped', await freePort());
    await daemon.start();
    const mark = await markOf('stopped');
    expect(isRunning(mark)).toBe(true);
    await daemon.stop();
    expect(isRunning(mark)).toBe(false);
    await daemon.stop();
  });

  it('of an agent that was killed is ended by the next', async () => {
    const port = await freePort();
    await newDaemon('left', port).start();
    const mark = await markOf('left');
    await newDaemon('left', port).start();
    expect(isRunning(mark)).toBe(false);
    expect(isRunning(await markOf('left'))).toBe(true);
  });

  it('is started again when it ends by itself', async () => {
    await newDaemon('again', await freePort()).start();
    const mark = await markOf('again');
    process.kill(pidOf(mark), 'SIGKILL');
    await poll(
      'another process',
      async () => {
        const now = await markOf('again');
        return now !== mark && isRunning(now) ? true : undefined;
      },
      60_000,
    );
    expect(() => process.kill(-pidOf(mark), 0)).toThrow('ESRCH');
  });

  it('says what distccd itself does not take', async () => {
    await expect(
      newDaemon('refused', await freePort(), ['nonsense']).start(),
    ).rejects.toMatchObject({
      code: 'distccd-failed',
    });
  });

  it('says that something else has its port', async () => {
    const other = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => {
      other.listen(port, ADDRESS, resolve);
    });
    try {
      await expect(newDaemon('taken', port).start()).rejects.toMatchObject({
        code: 'distccd-failed',
        message: expect.stringMatching(
          new RegExp(`${ADDRESS}:${port}: something else listens there`),
        ),
      });
    } finally {
      other.close();
    }
  });
});
