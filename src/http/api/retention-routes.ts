import type { z } from 'zod';
import {
  type CollectionTaskView,
  collectBodySchema,
  collectionProgressSchema,
  collectionTaskSchema,
  pinBodySchema,
  pinViewSchema,
  unpinBodySchema,
} from '../../protocol/retention.ts';
import type { CollectionState } from '../../repository/retention/collection-task.ts';
import type { CollectionProgress } from '../../repository/retention/retention.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { requireChannel } from './lookups.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { streamTask } from './task-events.ts';

const COLLECT = '/api/repository/collect';
const PIN = '/api/profiles/:profile/channels/:channel/pins/:serial';

export function retentionRoutes(context: HttpContext): readonly Route[] {
  return [...collectRoutes(context), ...pinRoutes(context)];
}

function collectRoutes(context: HttpContext): readonly Route[] {
  const { collection, profiles, stopping } = context;
  const watched = collectionsOf(context);
  return [
    guardedRoute({
      method: 'post',
      path: COLLECT,
      role: 'admin',
      summary: 'Begin to remove what no retention policy keeps, or to find out what would go',
      query: NO_QUERY,
      body: collectBodySchema,
      replies: { 202: collectionTaskSchema },
      handle: async ({ body: { profile, dryRun }, identity }) => {
        const actor = actorOf(identity);
        const only = profile === undefined ? {} : { profile: profiles.get(profile).name };
        return { status: 202, json: taskView(collection.begin({ dryRun, actor, ...only })) };
      },
    }),
    openRoute({
      method: 'get',
      path: COLLECT,
      summary: 'The collection that was begun last, and how far one under way is',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: collectionProgressSchema },
      handle: async () => ({ status: 200, json: progressView(watched.state()) }),
    }),
    openRoute({
      method: 'get',
      path: `${COLLECT}/events`,
      summary: 'The same as server-sent events, until none is under way',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async (exchange) => {
        await streamTask(watched, { ...exchange, stopping, view: progressView });
        return undefined;
      },
    }),
  ];
}

interface Collections {
  readonly state: 'running' | 'none';
  readonly task: CollectionState | undefined;
  readonly underWay: CollectionProgress | undefined;
}

/** Those that were begun here, and those that housekeeping and schedules do. */
function collectionsOf({ repository: { retention }, collection }: HttpContext) {
  return {
    listen: (listener: () => void) => {
      const ends = [retention.listen(listener), collection.listen(listener)];
      return () => {
        for (const end of ends) {
          end();
        }
      };
    },
    state: (): Collections => {
      const [task, underWay] = [collection.state(), retention.progress()];
      const isRunning = task?.state === 'running' || underWay !== undefined;
      return { state: isRunning ? 'running' : 'none', task, underWay };
    },
  };
}

function progressView({ task, underWay }: Collections): z.infer<typeof collectionProgressSchema> {
  return { task: task === undefined ? null : taskView(task), underWay: underWay ?? null };
}

function taskView({ collection, ...task }: CollectionState): CollectionTaskView {
  return {
    ...task,
    collection:
      collection === null
        ? null
        : {
            ...collection,
            rows: { ...collection.rows },
            profiles: collection.profiles.map((one) => ({
              ...one,
              publications: one.publications.map((each) => ({
                ...each,
                holders: [...each.holders],
              })),
              packages: [...one.packages],
              staying: [...one.staying],
            })),
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
