import { newTokenSchema, tokenListSchema } from '../protocol/access.ts';
import type { Call, Calls } from './server-client.ts';

/** Calls about who may do what. */
export function tokenCalls(
  { get, post }: Pick<Calls, 'get' | 'post'>,
  act: (call: Call) => Promise<void>,
) {
  return {
    tokens: async () => (await get('/api/tokens', tokenListSchema)).tokens,
    createToken: async (name: string, role: string) =>
      await post('/api/tokens', { name, role }, newTokenSchema),
    rotateToken: async (name: string) => await post(`${path(name)}/rotate`, {}, newTokenSchema),
    revokeToken: async (name: string) => await act({ method: 'DELETE', path: path(name) }),
  };
}

function path(name: string): string {
  return `/api/tokens/${encodeURIComponent(name)}`;
}
