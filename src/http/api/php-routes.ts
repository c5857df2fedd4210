import type { IncomingMessage } from 'node:http';
import * as z from 'zod';
import { parsePhpBuild } from '../../gentoo/php-build.ts';
import { requestViewSchema } from '../../protocol/builds.ts';
import {
  phpBuildQuerySchema,
  phpDifferenceSchema,
  phpImportedSchema,
  phpImportQuerySchema,
  phpProfileSchema,
  phpTreeDetailSchema,
} from '../../protocol/php.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { announcedLength, expectUpload } from '../request-body.ts';
import { requireChannel } from './lookups.ts';
import { phpChannelRoutes } from './php-channel-routes.ts';
import { phpDifferenceView, phpEntryView, phpProfileView, phpTreeView } from './php-views.ts';
import { BYTES, guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { requestView } from './views.ts';

const PATH = '/api/profiles/:profile/php';

export function phpRoutes(context: HttpContext): readonly Route[] {
  return [
    overviewRoute(context),
    treeRoute(context),
    differenceRoute(context),
    importRoute(context),
    buildRoute(context),
    ...phpChannelRoutes(context),
  ];
}

function overviewRoute({ php, profiles }: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: PATH,
    summary: 'The PHP trees of a profile, and what its channels show',
    query: NO_QUERY,
    body: NO_BODY,
    replies: { 200: phpProfileSchema },
    handle: async ({ params }) => {
      const { name } = profiles.get(params('profile'));
      return { status: 200, json: phpProfileView(await php.overview(name)) };
    },
  });
}

function treeRoute({ php, profiles }: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: `${PATH}/trees/:tree`,
    summary: 'One PHP tree, with every file of it',
    query: NO_QUERY,
    body: NO_BODY,
    replies: { 200: phpTreeDetailSchema },
    handle: async ({ params }) => {
      const { name } = profiles.get(params('profile'));
      const tree = await php.tree(name, params('tree'));
      const { channels } = await php.overview(name);
      const entries = tree.manifest.entries.map(phpEntryView);
      return { status: 200, json: { ...phpTreeView(tree, channels), entries } };
    },
  });
}

function differenceRoute({ php, profiles }: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: `${PATH}/diff`,
    summary: 'What two PHP trees of a profile have that differs',
    query: z.object({ from: z.string(), to: z.string() }),
    body: NO_BODY,
    replies: { 200: phpDifferenceSchema },
    handle: async ({ params, query }) => {
      const { name } = profiles.get(params('profile'));
      const { channels } = await php.overview(name);
      const difference = await php.compare(name, query);
      return { status: 200, json: phpDifferenceView(difference, channels) };
    },
  });
}

function importRoute(context: HttpContext): Route {
  const { php, repository } = context;
  return guardedRoute({
    method: 'put',
    path: PATH,
    role: 'admin',
    summary: 'Import a PHP tree; one with the same content is answered with the tree that has it',
    query: phpImportQuerySchema,
    body: BYTES,
    replies: { 200: phpImportedSchema, 201: phpImportedSchema },
    handle: async ({ params, query: { sha512, channel = null }, request, identity }) => {
      const { name: profile } = context.profiles.get(params('profile'));
      if (channel !== null) {
        requireChannel(context, profile, channel);
      }
      const file = await received(context, request, sha512);
      try {
        const actor = actorOf(identity);
        const { tree, isNew, serial } = await php.importTree({ profile, file, channel, actor });
        const { channels } = await php.overview(profile);
        const json = { tree: phpTreeView(tree, channels), isNew, serial };
        return { status: isNew ? 201 : 200, json };
      } finally {
        await repository.discardUpload(file);
      }
    },
  });
}

function buildRoute(context: HttpContext): Route {
  const { builds, repository, profiles } = context;
  return guardedRoute({
    method: 'post',
    path: `${PATH}/builds`,
    role: 'admin',
    summary: 'Ask for a PHP tree to be built of the sources in the body',
    query: phpBuildQuerySchema,
    body: BYTES,
    replies: { 201: requestViewSchema },
    handle: async ({ params, query, request, identity }) => {
      const { name: profile } = profiles.get(params('profile'));
      const { sha512, channel = null } = query;
      const build = parsePhpBuild(jsonOf(query.build));
      if (channel !== null) {
        requireChannel(context, profile, channel);
      }
      const file = await received(context, request, sha512);
      try {
        const author = actorOf(identity);
        const wanted = { profile, build, channel, file, sha512, author };
        return { status: 201, json: requestView(await builds.requestPhpTree(wanted)) };
      } finally {
        await repository.discardUpload(file);
      }
    },
  });
}

/** Text that is no JSON stays text, which no build is. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function received(
  { repository }: HttpContext,
  request: IncomingMessage,
  sha512: string,
): Promise<string> {
  expectUpload(request);
  const size = announcedLength(request);
  if (size === 0) {
    throw new AppError('upload-empty', 'The upload has no bytes.');
  }
  return await repository.receiveUpload(request, {
    sha512,
    ...(size === undefined ? {} : { size }),
  });
}
