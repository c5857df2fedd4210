import { promotionPolicy } from '../../gentoo/promotion-policy.ts';
import { DEFAULT_RETENTION } from '../../gentoo/retention-policy.ts';
import {
  phpCollectBodySchema,
  phpCollectionSchema,
  phpProfileSchema,
  phpPromoteBodySchema,
  phpRemoveBodySchema,
  phpRollbackBodySchema,
} from '../../protocol/php.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { requireChannel } from './lookups.ts';
import { phpProfileView } from './php-views.ts';
import { guardedRoute, NO_QUERY, type Reply, type Route } from './route.ts';

const PATH = '/api/profiles/:profile/php';

/** What changes which PHP trees nodes may use. */
export function phpChannelRoutes(context: HttpContext): readonly Route[] {
  return [
    promoteRoute(context),
    rollbackRoute(context),
    removeRoute(context),
    collectRoute(context),
  ];
}

async function answer({ php }: HttpContext, profile: string): Promise<Reply> {
  return { status: 200, json: phpProfileView(await php.overview(profile)) };
}

function promoteRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/channels/:channel/promote`,
    role: 'admin',
    summary: 'Let a channel show a PHP tree',
    query: NO_QUERY,
    body: phpPromoteBodySchema,
    replies: { 200: phpProfileSchema },
    handle: async ({ params, body: { tree, ...body }, identity }) => {
      const [name, channel] = [params('profile'), params('channel')];
      requireChannel(context, name, channel);
      const profile = context.profiles.get(name);
      await context.php.promote({
        ...body,
        tree,
        profile: name,
        channel,
        channels: profile.channels,
        policy: promotionPolicy(profile, channel),
        actor: actorOf(identity),
      });
      return await answer(context, name);
    },
  });
}

function rollbackRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/channels/:channel/rollback`,
    role: 'admin',
    summary: 'Let a channel show the PHP tree that it showed before',
    query: NO_QUERY,
    body: phpRollbackBodySchema,
    replies: { 200: phpProfileSchema },
    handle: async ({ params, body: { tree, reason }, identity }) => {
      const [profile, channel] = [params('profile'), params('channel')];
      requireChannel(context, profile, channel);
      await context.php.rollback({ profile, channel, tree, reason, actor: actorOf(identity) });
      return await answer(context, profile);
    },
  });
}

function removeRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'delete',
    path: `${PATH}/trees/:tree`,
    role: 'admin',
    summary: 'Remove a PHP tree for good',
    query: NO_QUERY,
    body: phpRemoveBodySchema,
    replies: { 200: phpProfileSchema },
    handle: async ({ params, body, identity }) => {
      const { name: profile } = context.profiles.get(params('profile'));
      await context.php.remove({
        ...body,
        profile,
        tree: params('tree'),
        actor: actorOf(identity),
      });
      return await answer(context, profile);
    },
  });
}

function collectRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${PATH}/collect`,
    role: 'admin',
    summary: 'Remove the PHP trees that nothing keeps, or only say which',
    query: NO_QUERY,
    body: phpCollectBodySchema,
    replies: { 200: phpCollectionSchema },
    handle: async ({ params, body: { dryRun }, identity }) => {
      const { name: profile, retention: policy = DEFAULT_RETENTION } = context.profiles.get(
        params('profile'),
      );
      const actor = actorOf(identity);
      const trees = await context.php.collect({ profile, policy, dryRun, actor });
      return { status: 200, json: { trees } };
    },
  });
}
