import { writeFileSync } from 'node:fs';
import { ended, killGroup, run, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/rookery-process.ts';

export interface RsyncDaemon {
  /** Of the module php. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A real rsync daemon that serves a folder as its module php. Settings go into the file. */
export async function startRsync(
  phpFolder: string,
  settings: string,
  address = '127.0.0.1',
): Promise<RsyncDaemon> {
  const port = await freePort();
  const url = `rsync://${address}:${port}/php`;
  writeFileSync(
    settings,
    `use chroot = no\n[php]\npath = ${phpFolder}\nread only = yes\nlist = no\n`,
  );
  const program = ['rsync', '--daemon', '--no-detach', `--config=${settings}`];
  const command = [...program, `--address=${address}`, `--port=${port}`];
  const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
  const ending = ended(child, command);
  await poll('the rsync daemon to answer', async () => {
    const probe = await run(['rsync', '--contimeout=2', `${url}/`], { env: toolEnvironment() });
    return probe.exitCode === 0 ? true : undefined;
  });
  return {
    url,
    stop: async () => {
      killGroup(child, 'SIGKILL');
      await ending;
    },
  };
}
