import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createRequestListener } from '../../src/http/listener.ts';
import { fillFarm } from './api-fixture.ts';
import { listenOnFreePort, startTestServer, type TestServer } from './test-server.ts';

const SCRIPTS = [
  '/setup/web-zen4/stable.sh',
  '/api/profiles/web-zen4/client',
  '/api/profiles/web-zen4/client?channel=testing',
];
const PAGES = ['/', '/agents', '/profiles/web-zen4', '/profiles/web-zen4/testing'];

let farm: TestServer;
let server: Server;
let url: string;
let sender: string;
let isKnown: boolean;

beforeAll(async () => {
  farm = await startTestServer();
  await fillFarm(farm);
  const listener = createRequestListener({ ...farm.context, isPublicUrlKnown: () => isKnown });
  server = createServer((incoming, response) => {
    Object.defineProperty(incoming.socket, 'remoteAddress', { value: sender, configurable: true });
    listener(incoming, response);
  });
  url = `http://127.0.0.1:${await listenOnFreePort(server)}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  await farm.close();
});

async function get(path: string): Promise<request.Response> {
  return await request(url).get(path).set('host', 'evil.example.org').buffer(true);
}

describe('a server on every address that was not told its public URL', () => {
  it.each(SCRIPTS)('gives other machines no script at %s', async (path) => {
    [sender, isKnown] = ['192.0.2.9', false];
    const { status, body } = await get(path);
    expect([status, body.code]).toEqual([409, 'public-url-missing']);
    expect(body.title).toContain('Set "public-url" in the section [http]');
  });

  it.each(PAGES)('shows other machines no address of its own on %s', async (path) => {
    [sender, isKnown] = ['2001:db8::9', false];
    const { status, text } = await get(path);
    expect(status).toBe(200);
    expect(text).not.toMatch(/127\.0\.0\.1|evil\.example|wget/);
  });

  it('tells on the page of a channel what is missing', async () => {
    [sender, isKnown] = ['192.0.2.9', false];
    const { text } = await get('/profiles/web-zen4/testing');
    expect(text).toContain('Set &quot;public-url&quot; in the section [http]');
  });

  it.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
    'gives this machine (%s) its script',
    async (address) => {
      [sender, isKnown] = [address, false];
      for (const path of SCRIPTS) {
        const { status, text } = await get(path);
        expect([status, text.includes(`${farm.url}/binhost/`)]).toEqual([200, true]);
        expect(text).not.toContain('evil.example');
      }
    },
  );

  it('still says what else is wrong', async () => {
    [sender, isKnown] = ['192.0.2.9', false];
    expect((await get('/setup/nobody/stable.sh')).body.code).toBe('unknown-profile');
  });
});

describe('a server that knows how it is reached', () => {
  it.each(SCRIPTS)('gives everybody the script at %s', async (path) => {
    [sender, isKnown] = ['192.0.2.9', true];
    const { status, text } = await get(path);
    expect([status, text.includes(`${farm.url}/binhost/`)]).toEqual([200, true]);
  });
});
