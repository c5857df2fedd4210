import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  ended,
  killGroup,
  run,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { poll } from './poll.ts';
import { freePort } from './rookery-process.ts';

const CONFIGURATION = resolve(import.meta.dirname, '../../scripts/haproxy/rookery.cfg');

export async function isHaproxyInstalled(): Promise<boolean> {
  const { exitCode } = await run(['sh', '-c', 'command -v haproxy'], { env: toolEnvironment() });
  return exitCode === 0;
}

/** A real HAProxy with the configuration that the documentation ships, before two servers of the test. */
export async function startHaproxy(options: {
  readonly folder: string;
  readonly servers: readonly [string, string];
}): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const [one, two] = options.servers.map((url) => new URL(url).host);
  const shipped = await readFile(CONFIGURATION, 'utf8');
  await mkdir(options.folder, { recursive: true });
  const file = join(options.folder, 'haproxy.cfg');
  await writeFile(
    file,
    shipped
      .replace('bind :80', `bind 127.0.0.1:${port}`)
      .replace('10.0.0.1:8700', `${one}`)
      .replace('10.0.0.2:8700', `${two}`),
  );
  const env = toolEnvironment();
  await runChecked(['haproxy', '-c', '-q', '-f', file], { env, cwd: options.folder });
  const command = ['haproxy', '-db', '-q', '-f', file];
  const child = spawnGroup(command, { env }, 'ignore');
  const ending = ended(child, command);
  const url = `http://127.0.0.1:${port}`;
  await poll('HAProxy to find a server', async () => {
    try {
      const response = await fetch(`${url}/readyz`);
      await response.arrayBuffer();
      return response.ok ? true : undefined;
    } catch {
      return undefined;
    }
  });
  return {
    url,
    stop: async () => {
      killGroup(child, 'SIGKILL');
      await ending;
    },
  };
}
