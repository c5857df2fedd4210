import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestServer, type TestServer } from './test-server.ts';

const ENTRY = '/ccache/web-zen4/0a/b1c2d3e4f5g6h7i8j9k0';
let farm: TestServer;
let builder: string;
let node: string;

beforeAll(async () => {
  farm = await startTestServer();
  builder = await farm.token('builder');
  node = await farm.token('node');
});

afterAll(async () => {
  await farm.close();
});

async function call(
  method: string,
  path: string,
  options: { readonly token?: string; readonly body?: string } = {},
): Promise<{ readonly status: number; readonly text: string; readonly length: string | null }> {
  const { token, body } = options;
  const response = await fetch(farm.url + path, {
    method,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    ...(body !== undefined && { body }),
  });
  const length = response.headers.get('content-length');
  return { status: response.status, text: await response.text(), length };
}

function codeOf(answer: { readonly text: string }): string {
  const { code } = JSON.parse(answer.text);
  return String(code);
}

async function put(path: string, body: string): Promise<unknown[]> {
  const answer = await call('PUT', path, { token: builder, body });
  return [answer.status, codeOf(answer)];
}

describe('the shared ccache over HTTP', () => {
  it('keeps, gives and removes an entry as ccache asks for it', async () => {
    const missing = await call('GET', ENTRY, { token: builder });
    expect([missing.status, codeOf(missing)]).toEqual([404, 'unknown-ccache-entry']);
    expect((await call('PUT', ENTRY, { token: builder, body: 'object' })).status).toBe(204);
    expect(await call('GET', ENTRY, { token: builder })).toEqual({
      status: 200,
      text: 'object',
      length: '6',
    });
    expect(await call('HEAD', ENTRY, { token: builder })).toEqual({
      status: 200,
      text: '',
      length: '6',
    });
    expect((await call('DELETE', ENTRY, { token: builder })).status).toBe(204);
    expect((await call('DELETE', ENTRY, { token: builder })).status).toBe(404);
  });

  it.each(['GET', 'HEAD', 'PUT', 'DELETE'])('answers %s to builders only', async (method) => {
    const body = method === 'PUT' ? { body: 'x' } : {};
    expect((await call(method, ENTRY, body)).status).toBe(401);
    expect((await call(method, ENTRY, { token: node, ...body })).status).toBe(403);
  });

  it('refuses what is no entry, what is too large, and profiles without a ccache', async () => {
    expect(await put('/ccache/web-zen4/0a/..%2F..%2Fx', 'x')).toEqual([400, 'ccache-key-invalid']);
    expect(await put(ENTRY, 'x'.repeat(10_001))).toEqual([413, 'ccache-entry-too-large']);
    expect(await put('/ccache/web-skylake/0a/b1c2d3e4f5g6', 'x')).toEqual([404, 'ccache-off']);
    expect(await put('/ccache/none/0a/b1c2d3e4f5g6', 'x')).toEqual([404, 'unknown-profile']);
  });
});
