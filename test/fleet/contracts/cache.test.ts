import { createServer } from 'node:net';
import { describe, it } from '@jest/globals';
import { callSocket } from '../../../src/fleet/drivers/line-call.ts';
import { MemcachedDriver } from '../../../src/fleet/drivers/memcached.ts';
import { exists } from '../../../src/support/files.ts';
import { MEMCACHED, startMemcached } from '../../support/memcached.ts';
import { freePort } from '../../support/rookery-process.ts';
import { type CacheHarness, cacheContract } from './cache.ts';

/** Answers as memcached does, and keeps everything. */
async function startLiar(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      const [, key] = /get (\S+)/.exec(text) ?? [];
      if (text.startsWith('stats')) {
        socket.write('STAT cmd_flush 7\r\nEND\r\n');
      } else if (text.startsWith('flush_all')) {
        socket.write('OK\r\n');
      } else if (text.startsWith('set')) {
        socket.write(`STORED\r\nVALUE ${key} 0 1\r\nx\r\nEND\r\n`);
      } else {
        socket.write('END\r\n');
      }
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => server.close(),
  };
}

async function open(): Promise<CacheHarness> {
  const endpoint = { host: '127.0.0.1', port: await freePort() };
  const memcached = await startMemcached(endpoint.host, endpoint.port);
  const liar = await startLiar();
  const ask = async (text: string): Promise<string> =>
    await callSocket(endpoint, text, {
      timeoutMs: 5000,
      maxBytes: 10_000,
      isWhole: (said) => /(STORED|END)\r\n$/.test(said),
    });
  return {
    driver: new MemcachedDriver(5000),
    endpoint,
    nobody: { host: '127.0.0.1', port: await freePort() },
    liar: { host: '127.0.0.1', port: liar.port },
    put: async (key) => {
      await ask(`set ${key} 0 0 1\r\ny\r\n`);
    },
    has: async (key) => (await ask(`get ${key}\r\n`)).startsWith('VALUE'),
    close: async () => {
      liar.close();
      await memcached.stop();
    },
  };
}

if (await exists(MEMCACHED)) {
  cacheContract('memcached', open);
} else {
  describe('memcached (skipped: it is not installed)', () => {
    it.skip('is emptied', () => {});
  });
}
