import { connect } from 'node:net';
import { ended, killGroup, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from './poll.ts';

export const MEMCACHED = '/usr/bin/memcached';

export interface Memcached {
  /** A number of `stats`. */
  statistic(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** A real memcached on an address of its own. */
export async function startMemcached(address: string, port: number): Promise<Memcached> {
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const command = [MEMCACHED, '-l', address, '-p', String(port), '-m', '16', '-t', '1', ...user];
  const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
  const ending = ended(child, command);
  await poll('memcached to answer', async () => {
    const said = await askMemcached(address, port, 'version');
    return said.startsWith('VERSION') ? true : undefined;
  });
  return {
    statistic: async (name) => {
      const said = await askMemcached(address, port, 'stats');
      return Number(new RegExp(`^STAT ${name} (\\d+)`, 'm').exec(said)?.[1]);
    },
    stop: async () => {
      killGroup(child, 'SIGKILL');
      await ending;
    },
  };
}

/** What it says to one command; empty when it does not answer. */
export async function askMemcached(host: string, port: number, command: string): Promise<string> {
  return await new Promise((done) => {
    const socket = connect({ host, port });
    let said = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      said += text;
    });
    socket.on('error', () => {
      done('');
    });
    socket.on('close', () => {
      done(said);
    });
    socket.end(`${command}\r\nquit\r\n`);
  });
}
