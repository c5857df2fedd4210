import {
  extendBodySchema,
  type KeyList,
  keyListSchema,
  resignAnswerSchema,
  resignBodySchema,
  revokeBodySchema,
  rotateBodySchema,
} from '../../protocol/keys.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { resignView, streamResign } from './resign-events.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

const PATH = '/api/keys';
const DAY_MS = 86_400_000;

/** The keys that packages are signed with. */
export function keyRoutes(context: HttpContext): readonly Route[] {
  return [
    listRoute(context),
    ...resignRoutes(context),
    rotateRoute(context),
    extendRoute(context),
    revokeRoute(context),
  ];
}

function keyList({ keys }: HttpContext): KeyList {
  return { keys: keys.list(), warnings: keys.warnings().map(({ message }) => message) };
}

function listRoute(context: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: PATH,
    summary: 'The keys that packages are signed with',
    query: NO_QUERY,
    body: NO_BODY,
    replies: { 200: keyListSchema },
    handle: async () => ({ status: 200, json: keyList(context) }),
  });
}

function rotateRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/rotate`,
    role: 'admin',
    summary: 'Make the key that takes over, and publish it',
    query: NO_QUERY,
    body: rotateBodySchema,
    replies: { 201: keyListSchema },
    handle: async ({ body: { kind, gpgKey, overlapDays, now, resign, reason }, identity }) => {
      await context.keys.rotate({
        key: gpgKey === undefined ? { kind } : { kind: 'gpg', name: gpgKey },
        overlapMs: Math.round(overlapDays * DAY_MS),
        now,
        resign,
        reason,
        actor: actorOf(identity),
      });
      return { status: 201, json: keyList(context) };
    },
  });
}

function extendRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/extend`,
    role: 'admin',
    summary: 'Move the end of the keys, and publish them',
    query: NO_QUERY,
    body: extendBodySchema,
    replies: { 200: keyListSchema },
    handle: async ({ body: { days, reason }, identity }) => {
      await context.keys.extend({ days, reason, actor: actorOf(identity) });
      return { status: 200, json: keyList(context) };
    },
  });
}

function revokeRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/:fingerprint/revoke`,
    role: 'admin',
    summary: 'Let nodes refuse everything that a key has signed',
    query: NO_QUERY,
    body: revokeBodySchema,
    replies: { 200: keyListSchema },
    handle: async ({ params, body: { cause, reason }, identity }) => {
      const fingerprint = params('fingerprint').toUpperCase();
      await context.keys.revoke({ fingerprint, cause, reason, actor: actorOf(identity) });
      return { status: 200, json: keyList(context) };
    },
  });
}

function resignRoutes(context: HttpContext): readonly Route[] {
  const { resign, keys } = context;
  const answer = (): { readonly resign: ReturnType<typeof resignView> | null } => {
    const state = resign.state();
    return { resign: state === undefined ? null : resignView(state) };
  };
  return [
    openRoute({
      method: 'get',
      path: `${PATH}/resign`,
      summary: 'The signing again that is under way, or the last one',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: resignAnswerSchema },
      handle: async () => ({ status: 200, json: answer() }),
    }),
    openRoute({
      method: 'get',
      path: `${PATH}/resign/events`,
      summary: 'Signing again as server-sent events, until it ends',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async ({ request, response }) => {
        await streamResign(context, { request, response });
        return undefined;
      },
    }),
    guardedRoute({
      method: 'post',
      path: `${PATH}/resign`,
      role: 'admin',
      summary: 'Sign again, with the current key, what others have signed and a channel shows',
      query: NO_QUERY,
      body: resignBodySchema,
      replies: { 202: resignAnswerSchema },
      handle: async ({ body: { reason }, identity }) => {
        await keys.resign({ reason, actor: actorOf(identity) });
        return { status: 202, json: answer() };
      },
    }),
  ];
}
