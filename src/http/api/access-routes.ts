import { newTokenSchema, tokenBodySchema, tokenListSchema } from '../../protocol/access.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { guardedRoute, NO_BODY, NO_QUERY, type Route } from './route.ts';

export function accessRoutes({ tokens }: Pick<HttpContext, 'tokens'>): readonly Route[] {
  return [
    guardedRoute({
      method: 'get',
      path: '/api/tokens',
      role: 'admin',
      summary: 'Every token, without its secret',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: tokenListSchema },
      handle: async () => ({ status: 200, json: { tokens: await tokens.list() } }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/tokens',
      role: 'admin',
      summary: 'Make a token; its secret is shown this once',
      query: NO_QUERY,
      body: tokenBodySchema,
      replies: { 201: newTokenSchema },
      handle: async ({ body: { name, role }, identity }) => {
        const token = await tokens.create(name, role, actorOf(identity));
        return { status: 201, json: { name, role, token } };
      },
    }),
    guardedRoute({
      method: 'post',
      path: '/api/tokens/:name/rotate',
      role: 'admin',
      summary: 'Give a token a new secret, shown this once; the old one is void at once',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: newTokenSchema },
      handle: async ({ params, identity }) => {
        const name = params('name');
        return { status: 200, json: { name, ...(await tokens.rotate(name, actorOf(identity))) } };
      },
    }),
    guardedRoute({
      method: 'delete',
      path: '/api/tokens/:name',
      role: 'admin',
      summary: 'Revoke a token',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 204: null },
      handle: async ({ params, identity }) => {
        await tokens.revoke(params('name'), actorOf(identity));
        return { status: 204 };
      },
    }),
  ];
}
