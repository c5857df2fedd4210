import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, get as httpGet, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { TransferLimits } from '../../src/http/static/file-turn.ts';
import { PlaceLimit } from '../../src/http/static/place-limit.ts';
import { createStaticHandler } from '../../src/http/static/static-handler.ts';
import { poll } from '../support/poll.ts';
import { listenOnFreePort, startTestServer, type TestServer } from './test-server.ts';

const LARGE = 24 * 1024 * 1024;

let farm: TestServer;
const closers: (() => void)[] = [];

beforeAll(async () => {
  farm = await startTestServer();
  mkdirSync(join(farm.mirrorRoot, 'distfiles'), { recursive: true });
});

afterEach(() => {
  for (const close of closers.splice(0)) {
    close();
  }
});

afterAll(async () => {
  await farm.close();
});

function pathOf(...names: string[]): string {
  return join(farm.mirrorRoot, ...names);
}

/** How often this process has a file below this path open. */
function openCount(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  }).length;
}

/** A server of files alone, with these limits. */
async function serveWith(limits: TransferLimits): Promise<number> {
  const handler = createStaticHandler(farm.context, limits);
  const server = createServer((request, response) => void handler.handle(request, response));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return await listenOnFreePort(server);
}

/** A client that asks for a file and, on the same connection, for something else, and then does not read. */
async function stalledClient(
  port: number,
  target: string,
): Promise<{
  /** Resolves when the first bytes of the answer are here; the rest stays on its way. */
  readonly begun: () => Promise<void>;
  readonly read: () => Promise<Buffer>;
  readonly leave: () => void;
}> {
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.write(`GET ${target} HTTP/1.1\r\nHost: farm\r\n\r\n`);
  socket.write(`GET /healthz HTTP/1.1\r\nHost: farm\r\nConnection: close\r\n\r\n`);
  closers.push(() => {
    socket.destroy();
  });
  const chunks: Buffer[] = [];
  return {
    begun: async () => {
      await new Promise<void>((resolve) => {
        socket.once('data', (chunk: Buffer) => {
          socket.pause();
          chunks.push(chunk);
          resolve();
        });
        socket.resume();
      });
    },
    read: async () => {
      const stream: AsyncIterable<Buffer> = socket;
      for await (const chunk of stream) {
        chunks.push(chunk);
      }
      const all = Buffer.concat(chunks);
      return all.subarray(all.indexOf('\r\n\r\n') + 4);
    },
    leave: () => {
      socket.destroy();
    },
  };
}

async function answerTo(
  url: string,
): Promise<{ readonly response: IncomingMessage; readonly body: Buffer }> {
  return await new Promise((resolve, reject) => {
    httpGet(url, { agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        resolve({ response, body: Buffer.concat(chunks) });
      });
    }).once('error', reject);
  });
}

describe('a file that is replaced by rename while it is read', () => {
  it('arrives as it was', async () => {
    const old = Buffer.alloc(LARGE, 'old!');
    writeFileSync(pathOf('distfiles', 'tree.tar'), old);
    const client = await stalledClient(farm.port, '/distfiles/tree.tar');
    await poll(
      'the file to be open',
      () => openCount(pathOf('distfiles', 'tree.tar')) > 0 || undefined,
    );

    writeFileSync(pathOf('distfiles', '.new'), Buffer.alloc(LARGE, 'new?'));
    renameSync(pathOf('distfiles', '.new'), pathOf('distfiles', 'tree.tar'));
    const body = await client.read();

    expect(body.subarray(0, LARGE).equals(old)).toBe(true);
    expect(body.subarray(LARGE).toString()).toContain('{"status":"ok"}');
    expect((await answerTo(`${farm.url}/distfiles/tree.tar`)).body.subarray(0, 4).toString()).toBe(
      'new?',
    );
  });

  it('that becomes shorter ends in a broken connection, not in a short file', async () => {
    writeFileSync(pathOf('distfiles', 'shrinking'), Buffer.alloc(LARGE, 'x'));
    const client = await stalledClient(farm.port, '/distfiles/shrinking');
    await client.begun();
    writeFileSync(pathOf('distfiles', 'shrinking'), 'short');

    const body = await client.read().catch(() => Buffer.alloc(0));
    expect(body.length).toBeLessThan(LARGE);
    expect(body.includes('HTTP/1.1')).toBe(false);
    await poll(
      'the file to be closed',
      () => openCount(pathOf('distfiles', 'shrinking')) === 0 || undefined,
    );
  });
});

describe('a channel that is switched while it is read', () => {
  it('never shows headers of one publication with the body of another', async () => {
    const publications = pathOf('binhost', 'p', '.publications');
    const sums = new Map<number, string>();
    for (let serial = 1; serial <= 40; serial += 1) {
      const folder = join(publications, `testing-${serial}`);
      const text = `TIMESTAMP: ${1_767_000_000 + serial * 6}\n${'CPV: a/b-1\n'.repeat(serial * 900)}`;
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'Packages'), text);
      const seconds = 1_767_000_000 + serial * 6;
      utimesSync(join(folder, 'Packages'), seconds, seconds);
      sums.set(seconds * 1000, createHash('md5').update(text).digest('hex'));
    }
    const show = (serial: number): void => {
      const temporary = pathOf('binhost', 'p', `.testing-${serial}`);
      symlinkSync(`.publications/testing-${serial}`, temporary);
      renameSync(temporary, pathOf('binhost', 'p', 'testing'));
    };
    show(1);
    const done = new AbortController();
    const seen = new Set<number>();
    const reader = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const { response, body } = await answerTo(`${farm.url}/binhost/p/testing/Packages`);
        const modified = Date.parse(response.headers['last-modified'] ?? '');
        expect(response.statusCode).toBe(200);
        expect(Number(response.headers['content-length'])).toBe(body.length);
        expect(createHash('md5').update(body).digest('hex')).toBe(sums.get(modified));
        seen.add(modified);
      }
    };
    const readers = [reader(), reader(), reader(), reader()];
    try {
      for (const [index, modified] of [...sums.keys()].entries()) {
        show(index + 1);
        const isSeen = poll('a reader to see it', () => seen.has(modified) || undefined);
        await Promise.race([isSeen, ...readers]);
      }
    } finally {
      done.abort();
    }
    await Promise.all(readers);
    expect(seen.size).toBe(sums.size);
  });

  it('is refused as soon as its link leads outside', async () => {
    mkdirSync(pathOf('binhost', 'q', 'good'), { recursive: true });
    writeFileSync(pathOf('binhost', 'q', 'good', 'Packages'), 'good');
    symlinkSync('good', pathOf('binhost', 'q', 'stable'));
    const inside = await answerTo(`${farm.url}/binhost/q/stable/Packages`);
    symlinkSync('/proc/self', pathOf('binhost', 'q', '.stable'));
    renameSync(pathOf('binhost', 'q', '.stable'), pathOf('binhost', 'q', 'stable'));
    const outside = await answerTo(`${farm.url}/binhost/q/stable/status`);

    expect([inside.response.statusCode, outside.response.statusCode]).toEqual([200, 404]);
  });
});

describe('open files', () => {
  it('are closed when the client goes away', async () => {
    writeFileSync(pathOf('distfiles', 'left.tar'), Buffer.alloc(LARGE));
    const client = await stalledClient(farm.port, '/distfiles/left.tar');
    await poll(
      'the file to be open',
      () => openCount(pathOf('distfiles', 'left.tar')) > 0 || undefined,
    );
    client.leave();
    await poll(
      'the file to be closed',
      () => openCount(pathOf('distfiles', 'left.tar')) === 0 || undefined,
    );
  });

  it('are closed after every kind of answer', async () => {
    writeFileSync(pathOf('distfiles', 'small'), 'small');
    const answers = [
      {},
      { method: 'HEAD' },
      { headers: { range: 'bytes=1-2' } },
      { headers: { range: 'bytes=9-' } },
      { headers: { 'if-none-match': '*' } },
      { headers: { 'if-match': '"x"' } },
      { method: 'POST' },
    ].map(async (init) => {
      const response = await fetch(`${farm.url}/distfiles/small`, init);
      await response.arrayBuffer();
      return response.status;
    });
    expect(await Promise.all(answers)).toEqual([200, 200, 206, 416, 304, 412, 405]);
    await fetch(`${farm.url}/distfiles/`).then(async (response) => await response.text());
    await poll('everything to be closed', () => openCount(pathOf('distfiles')) === 0 || undefined);
  });

  it('of long transfers are bounded; who comes later waits, and leaves no trace when it gives up', async () => {
    writeFileSync(pathOf('distfiles', 'wanted.tar'), Buffer.alloc(LARGE));
    const port = await serveWith({ transfers: 2, perClient: 2, stallMs: 60_000 });
    const first = await stalledClient(port, '/distfiles/wanted.tar');
    const second = await stalledClient(port, '/distfiles/wanted.tar');
    const openNow = (): number => openCount(pathOf('distfiles', 'wanted.tar'));
    await poll('two open files', () => openNow() === 2 || undefined);

    const impatient = await stalledClient(port, '/distfiles/wanted.tar');
    let answered = false;
    const patient = answerTo(`http://127.0.0.1:${port}/distfiles/wanted.tar`).then((answer) => {
      answered = true;
      return answer;
    });
    expect((await answerTo(`http://127.0.0.1:${port}/distfiles/small`)).response.statusCode).toBe(
      200,
    );
    await poll('only two open files', () => openNow() === 2 || undefined);
    expect(answered).toBe(false);
    impatient.leave();
    first.leave();

    expect((await patient).body.length).toBe(LARGE);
    second.leave();
    await poll('everything to be closed', () => openCount(pathOf('distfiles')) === 0 || undefined);
  });

  it('of long transfers never keep short answers and indexes waiting', async () => {
    writeFileSync(pathOf('distfiles', 'wanted.tar'), Buffer.alloc(LARGE));
    writeFileSync(pathOf('distfiles', 'small'), 'small');
    writeFileSync(pathOf('distfiles', 'Packages'), Buffer.alloc(1024 * 1024));
    const port = await serveWith({ transfers: 1, perClient: 1, stallMs: 60_000 });
    for (let count = 0; count < 20; count += 1) {
      await stalledClient(port, '/distfiles/wanted.tar');
    }
    await poll(
      'an open file',
      () => openCount(pathOf('distfiles', 'wanted.tar')) === 1 || undefined,
    );
    const [small, index, head, part] = await Promise.all([
      answerTo(`http://127.0.0.1:${port}/distfiles/small`),
      answerTo(`http://127.0.0.1:${port}/distfiles/Packages`),
      fetch(`http://127.0.0.1:${port}/distfiles/wanted.tar`, { method: 'HEAD' }),
      fetch(`http://127.0.0.1:${port}/distfiles/wanted.tar`, { headers: { range: 'bytes=0-9' } }),
    ]);
    expect([small.body.length, index.body.length]).toEqual([5, 1024 * 1024]);
    expect([head.status, part.status]).toEqual([200, 206]);
  });

  it('of a client that takes nothing are closed, and its connection with them', async () => {
    writeFileSync(pathOf('distfiles', 'wanted.tar'), Buffer.alloc(LARGE, 'z'));
    const port = await serveWith({ transfers: 1, perClient: 1, stallMs: 100 });
    await stalledClient(port, '/distfiles/wanted.tar');
    const waiting = await answerTo(`http://127.0.0.1:${port}/distfiles/wanted.tar`);
    expect(waiting.body.equals(Buffer.alloc(LARGE, 'z'))).toBe(true);
    await poll('everything to be closed', () => openCount(pathOf('distfiles')) === 0 || undefined);
  });

  it('are shared out: one address does not get all', async () => {
    const limit = new PlaceLimit(3, 2);
    const { signal } = new AbortController();
    const [one, two] = [limit.tryAcquire('a'), limit.tryAcquire('a')];
    expect(limit.tryAcquire('a')).toBeUndefined();
    const order: string[] = [];
    const third = limit.acquire('a', signal).then((release) => {
      order.push('a');
      return release;
    });
    const other = limit.tryAcquire('b');
    expect(other).toBeDefined();
    const late = limit.acquire('b', signal).then((release) => {
      order.push('b');
      return release;
    });
    other?.();
    (await late)();
    expect(order).toEqual(['b']);
    one?.();
    (await third)();
    two?.();
    expect([order, limit.taken]).toEqual([['b', 'a'], 0]);
  });

  it('in a crowd are sent whole through small buffers', async () => {
    const body = Buffer.alloc(LARGE);
    body.forEach((_byte, index) => {
      body[index] = (index * 31 + (index >> 8) + (index >> 16) * 7) % 256;
    });
    writeFileSync(pathOf('distfiles', 'many.tar'), body);
    const port = await serveWith({ transfers: 200, perClient: 200, stallMs: 60_000 });
    writeFileSync(pathOf('distfiles', 'wanted.tar'), Buffer.alloc(LARGE));
    for (let count = 0; count < 120; count += 1) {
      await stalledClient(port, '/distfiles/wanted.tar');
    }
    const openNow = (): number => openCount(pathOf('distfiles', 'wanted.tar'));
    await poll('a crowd', () => openNow() === 120 || undefined);
    const slow = await stalledClient(port, '/distfiles/many.tar');
    await slow.begun();
    const answer = await answerTo(`http://127.0.0.1:${port}/distfiles/many.tar`);
    expect(answer.body.equals(body)).toBe(true);
    expect((await slow.read()).subarray(0, LARGE).equals(body)).toBe(true);
  });

  it('are given back after every kind of answer', async () => {
    writeFileSync(pathOf('distfiles', 'small'), 'small');
    const port = await serveWith({ transfers: 1, perClient: 1, stallMs: 60_000 });
    const url = `http://127.0.0.1:${port}`;
    const statuses: number[] = [];
    writeFileSync(pathOf('distfiles', 'wanted.tar'), Buffer.alloc(LARGE));
    for (const [path, init] of [
      ['/distfiles/small', {}],
      ['/distfiles/wanted.tar', {}],
      ['/distfiles/wanted.tar', { headers: { range: 'bytes=0-999999' } }],
      ['/distfiles/none', {}],
      ['/distfiles/', {}],
      ['/distfiles/%00', {}],
      ['/distfiles/small', { method: 'PUT' }],
      ['/distfiles/small', { method: 'HEAD' }],
      ['/distfiles/small', { headers: { range: 'bytes=9-' } }],
      ['/distfiles/small', { headers: { 'if-none-match': '*' } }],
      ['/distfiles/wanted.tar', {}],
    ] as const) {
      const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(10_000) });
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    expect(statuses).toEqual([200, 200, 206, 404, 404, 400, 405, 200, 416, 304, 200]);
  });

  it('that vanish between two requests are 404', async () => {
    writeFileSync(pathOf('distfiles', 'gone'), 'here');
    expect((await answerTo(`${farm.url}/distfiles/gone`)).body.toString()).toBe('here');
    rmSync(pathOf('distfiles', 'gone'));
    expect((await answerTo(`${farm.url}/distfiles/gone`)).response.statusCode).toBe(404);
  });
});
