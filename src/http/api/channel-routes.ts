import {
  channelViewSchema,
  promoteBodySchema,
  publicationViewSchema,
  publishBodySchema,
  rollbackBodySchema,
} from '../../protocol/channels.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { channelUri, requireChannel } from './lookups.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { publicationView } from './views.ts';

const PATH = '/api/profiles/:profile/channels/:channel';
const SHOWN_PUBLICATIONS = 100;
const PUBLISH_BODY_BYTES = 16 * 1024 * 1024;

export function channelRoutes(context: HttpContext): readonly Route[] {
  return [showRoute(context), publishRoute(context), promoteRoute(context), rollbackRoute(context)];
}

function showRoute(context: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: PATH,
    summary: 'What a channel shows now, and showed before',
    query: NO_QUERY,
    body: NO_BODY,
    replies: { 200: channelViewSchema },
    handle: async ({ params }) => {
      const [profile, channel] = [params('profile'), params('channel')];
      requireChannel(context, profile, channel);
      const [current, publications, pins, refused] = await Promise.all([
        context.repository.currentPublication(profile, channel),
        context.repository.publications(profile, channel, SHOWN_PUBLICATIONS),
        context.repository.retention.pins(profile),
        context.repository.lastRefusal({ profile, channel }),
      ]);
      const allowed = current === undefined ? [] : await context.repository.allowances(current);
      const json = {
        profile,
        channel,
        uri: channelUri(context, profile, channel),
        allowed: allowed.map(({ findingId, message, author, reason, createdAt }) => ({
          findingId,
          message,
          author,
          reason,
          createdAt,
        })),
        refused: refused ?? null,
        current: current === undefined ? null : publicationView(current),
        publications: publications.map(publicationView),
        pins: pins.filter((pin) => pin.channel === channel),
      };
      return { status: 200, json };
    },
  });
}

function publishRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/publish`,
    role: 'admin',
    summary: 'Publish the newest packages, or these over what the channel shows',
    query: NO_QUERY,
    body: publishBodySchema,
    maxBodyBytes: PUBLISH_BODY_BYTES,
    replies: { 201: publicationViewSchema },
    handle: async ({ params, body: { expectedSerial, ...body }, identity }) => {
      const { reason, packageIds, allow, force } = body;
      const [profile, channel] = [params('profile'), params('channel')];
      requireChannel(context, profile, channel);
      const made = await context.repository.publish({
        profile,
        channel,
        reason,
        force,
        author: actorOf(identity),
        ...(expectedSerial === undefined ? {} : { expected: expectedSerial }),
        ...(packageIds === undefined ? {} : { packageIds }),
        ...(allow === undefined ? {} : { allow }),
      });
      return { status: 201, json: publicationView(made) };
    },
  });
}

function promoteRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/promote`,
    role: 'admin',
    summary: 'Publish here what an earlier channel shows',
    query: NO_QUERY,
    body: promoteBodySchema,
    replies: { 201: publicationViewSchema },
    handle: async ({ params, body: { expectedSerial, ...body }, identity }) => {
      const { reason, from, serial, force, allow } = body;
      const [profile, channel] = [params('profile'), params('channel')];
      requireChannel(context, profile, channel);
      const made = await context.repository.promote({
        profile,
        channel,
        reason,
        force,
        author: actorOf(identity),
        ...(expectedSerial === undefined ? {} : { expected: expectedSerial }),
        ...(from === undefined ? {} : { from }),
        ...(allow === undefined ? {} : { allow }),
        ...(serial === undefined ? {} : { serial }),
      });
      return { status: 201, json: publicationView(made) };
    },
  });
}

function rollbackRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/rollback`,
    role: 'admin',
    summary: 'Publish again what the channel showed before',
    query: NO_QUERY,
    body: rollbackBodySchema,
    replies: { 201: publicationViewSchema },
    handle: async ({ params, body: { reason, serial, expectedSerial }, identity }) => {
      const [profile, channel] = [params('profile'), params('channel')];
      requireChannel(context, profile, channel);
      const made = await context.repository.rollback({
        profile,
        channel,
        reason,
        author: actorOf(identity),
        ...(expectedSerial === undefined ? {} : { expected: expectedSerial }),
        ...(serial === undefined ? {} : { serial }),
      });
      return { status: 201, json: publicationView(made) };
    },
  });
}
