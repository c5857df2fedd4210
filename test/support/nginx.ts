import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ended, killGroup, run, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from './poll.ts';
import { freePort } from './rookery-process.ts';

const CONFIGURATION = resolve(import.meta.dirname, '../../scripts/nginx/rookery.conf');

export async function isNginxInstalled(): Promise<boolean> {
  const { exitCode } = await run(['sh', '-c', 'command -v nginx'], { env: toolEnvironment() });
  return exitCode === 0;
}

/** A real nginx with the configuration that the documentation ships, for a tree and a server of the test. */
export async function startNginx(options: {
  readonly folder: string;
  readonly mirrorRoot: string;
  readonly upstream: string;
}): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const shipped = await readFile(CONFIGURATION, 'utf8');
  const server = shipped
    .replace('/var/lib/rookery/mirror-root', options.mirrorRoot)
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('server 127.0.0.1:8700;', `server ${options.upstream};`);
  await mkdir(options.folder, { recursive: true });
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const file = join(options.folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${options.folder}/${name};`)
    .join('\n');
  await writeFile(
    file,
    `${user}\nworker_processes 1;\npid ${options.folder}/nginx.pid;\ndaemon off;\n` +
      `events { }\nhttp {\naccess_log off;\n${temporary}\n${server}\n}\n`,
  );
  const command = [
    'nginx',
    '-e',
    join(options.folder, 'error.log'),
    '-p',
    options.folder,
    '-c',
    file,
  ];
  const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
  const ending = ended(child, command);
  const url = `http://127.0.0.1:${port}`;
  await poll('nginx to answer', async () => {
    try {
      const response = await fetch(`${url}/incoming/`);
      await response.arrayBuffer();
      return true;
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
