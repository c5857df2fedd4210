import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CcacheRelay } from '../../src/agent/sharing/ccache-relay.ts';
import { silentLog } from '../../src/support/log.ts';

const ENTRY = '/0a/b1c2d3e4f5g6h7i8';
let server: Server;
let url: string;
let seen: string[];
let relay: CcacheRelay;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => {
      body += piece.toString('utf8');
    });
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`.trim());
      response.writeHead(request.method === 'PUT' ? 204 : 200).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(async () => {
  seen = [];
  relay = new CcacheRelay({ server: url, token: 'rky_secret', log: silentLog() });
  await relay.start();
});

afterEach(async () => {
  await relay.stop();
});

async function statusOf(place: string, init: RequestInit = {}): Promise<number> {
  return (await fetch(place, init)).status;
}

describe('the way of a build to the shared ccache', () => {
  it('leads to the place of its profile with the token of the agent, until the build is over', async () => {
    const way = relay.open('/ccache/web/');
    expect(way.url).not.toContain('rky_secret');
    expect(await statusOf(way.url + ENTRY, { method: 'PUT', body: 'object' })).toBe(204);
    expect(await statusOf(way.url + ENTRY, { method: 'DELETE' })).toBe(200);
    expect(seen).toEqual([
      `PUT /ccache/web${ENTRY} Bearer rky_secret object`,
      `DELETE /ccache/web${ENTRY} Bearer rky_secret`,
    ]);
    way.close();
    expect(await statusOf(way.url + ENTRY)).toBe(404);
    expect(seen).toHaveLength(2);
  });

  it('leads nowhere else', async () => {
    const { url: way } = relay.open('/ccache/web/');
    const { origin } = new URL(way);
    for (const place of [
      `${origin}/guess${ENTRY}`,
      `${way}/0a/%2e%2e%2fapi`,
      `${way}/0a/b1c2d3e4f5g6h7i8?x=1`,
      `${way}/0a/../../api/agents`,
      way,
    ]) {
      expect(await statusOf(place)).toBe(404);
    }
    expect(await statusOf(way + ENTRY, { method: 'POST', body: 'x' })).toBe(405);
    expect(seen).toEqual([]);
  });

  it('says that a server is away instead of hanging', async () => {
    const lost = new CcacheRelay({ server: 'http://127.0.0.1:1', token: 't', log: silentLog() });
    await lost.start();
    try {
      expect(await statusOf(lost.open('/ccache/web/').url + ENTRY)).toBe(502);
    } finally {
      await lost.stop();
    }
  });
});
