import {
  collectBodySchema,
  collectionProgressSchema,
  collectionViewSchema,
  pinBodySchema,
  pinViewSchema,
  unpinBodySchema,
} from '../../protocol/retention.ts';
import type { CollectionProgress, Retention } from '../../repository/retention/retention.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { requireChannel } from './lookups.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { streamTask, type Watched } from './task-events.ts';

const COLLECT = '/api/repository/collect';
const PIN = '/api/profiles/:profile/channels/:channel/pins/:serial';

export function retentionRoutes(context: HttpContext): readonly Route[] {
  return [...collectRoutes(context), ...pinRoutes(context)];
}

function collectRoutes({ repository, stopping }: HttpContext): readonly Route[] {
  const { retention } = repository;
  return [
    guardedRoute({
      method: 'post',
      path: COLLECT,
      role: 'admin',
      summary: 'Remove what no retention policy keeps, or say what would go',
      query: NO_QUERY,
      body: collectBodySchema,
      replies: { 200: collectionViewSchema },
      handle: async ({ body: { profile, dryRun }, identity }) => {
        const json = await retention.collect({
          dryRun,
          actor: actorOf(identity),
          ...(profile === undefined ? {} : { profile }),
        });
        return { status: 200, json };
      },
    }),
    openRoute({
      method: 'get',
      path: COLLECT,
      summary: 'How far the collection under way is',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: collectionProgressSchema },
      handle: async () => ({
        status: 200,
        json: { underWay: retention.progress() ?? null },
      }),
    }),
    openRoute({
      method: 'get',
      path: `${COLLECT}/events`,
      summary: 'How far it is as server-sent events, until none is under way',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async (exchange) => {
        await streamTask(collectionState(retention), {
          ...exchange,
          stopping,
          view: ({ underWay }) => ({ underWay }),
        });
        return undefined;
      },
    }),
  ];
}

interface CollectionState {
  readonly state: 'running' | 'none';
  readonly underWay: CollectionProgress | null;
}

function collectionState(retention: Retention): Watched<CollectionState> {
  return {
    listen: (listener) => retention.listen(listener),
    state: () => {
      const underWay = retention.progress() ?? null;
      return { state: underWay === null ? 'none' : 'running', underWay };
    },
  };
}

function pinRoutes(context: HttpContext): readonly Route[] {
  const keyOf = (params: (name: string) => string) => {
    const [profile, channel] = [params('profile'), params('channel')];
    requireChannel(context, profile, channel);
    return { profile, channel, serial: serialIn(params('serial'), { profile, channel }) };
  };
  return [
    guardedRoute({
      method: 'put',
      path: PIN,
      role: 'admin',
      summary: 'Keep a publication until it is unpinned',
      query: NO_QUERY,
      body: pinBodySchema,
      replies: { 200: pinViewSchema },
      handle: async ({ params, body: { reason }, identity }) => {
        const deed = { author: actorOf(identity), reason };
        return { status: 200, json: await context.repository.retention.pin(keyOf(params), deed) };
      },
    }),
    guardedRoute({
      method: 'delete',
      path: PIN,
      role: 'admin',
      summary: 'Leave a publication to the retention policy again',
      query: NO_QUERY,
      body: unpinBodySchema,
      replies: { 204: null },
      handle: async ({ params, body: { reason }, identity }) => {
        const deed = { author: actorOf(identity), reason };
        await context.repository.retention.unpin(keyOf(params), deed);
        return { status: 204 };
      },
    }),
  ];
}

function serialIn(
  text: string,
  { profile, channel }: { readonly profile: string; readonly channel: string },
): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) {
    throw new AppError(
      'unknown-publication',
      `There is no publication ${text.slice(0, 100)} on ${channel} of ${profile}.`,
    );
  }
  return Number(text);
}
