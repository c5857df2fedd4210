import * as z from 'zod';
import { pageQuerySchema, sha512Schema } from '../../protocol/common.ts';
import {
  packageDetailSchema,
  packageListSchema,
  packageViewSchema,
  profileListSchema,
  profileViewSchema,
} from '../../protocol/packages.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { announcedLength, expectUpload } from '../request-body.ts';
import { sendSetupScript } from '../setup-script.ts';
import { damageOf, requireChannel, requirePackage } from './lookups.ts';
import { BYTES, guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { packageDetail, packageView, profileView } from './views.ts';

const packagesQuerySchema = pageQuerySchema.extend({
  channel: z.string().optional(),
  search: z.string().max(200).optional(),
});

export function profileRoutes(context: HttpContext): readonly Route[] {
  return [
    ...shapeRoutes(context),
    packagesRoute(context),
    packageRoute(context),
    clientRoute(context),
    pushRoute(context),
  ];
}

function shapeRoutes({ profiles }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/profiles',
      summary: 'Every profile, and the faults of those that could not be read',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: profileListSchema },
      handle: async () => {
        const broken = Object.entries(profiles.broken()).map(([name, faults]) => [
          name,
          [...faults],
        ]);
        const json = {
          profiles: profiles.list().map(profileView),
          broken: Object.fromEntries(broken),
        };
        return { status: 200, json };
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/profiles/:profile',
      summary: 'One profile',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: profileViewSchema },
      handle: async ({ params }) => ({
        status: 200,
        json: profileView(profiles.get(params('profile'))),
      }),
    }),
  ];
}

function packagesRoute(context: HttpContext): Route {
  const { profiles, repository } = context;
  return openRoute({
    method: 'get',
    path: '/api/profiles/:profile/packages',
    summary: 'Packages of a profile, or of what a channel of it shows',
    query: packagesQuerySchema,
    body: NO_BODY,
    replies: { 200: packageListSchema },
    handle: async ({ params, query: { channel, search, limit, offset } }) => {
      const { name } = profiles.get(params('profile'));
      if (channel !== undefined) {
        requireChannel(context, name, channel);
      }
      const found = await repository.searchPackages({
        profile: name,
        limit,
        offset,
        ...(channel === undefined ? {} : { channel }),
        ...(search === undefined || search === '' ? {} : { search }),
      });
      return {
        status: 200,
        json: { packages: found.packages.map(packageView), total: found.total },
      };
    },
  });
}

function packageRoute(context: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: '/api/packages/:id',
    summary: 'One package with its metadata',
    query: NO_QUERY,
    body: NO_BODY,
    replies: { 200: packageDetailSchema },
    handle: async ({ params }) => {
      const record = await requirePackage(context, params('id'));
      return { status: 200, json: packageDetail(record, await damageOf(context, record)) };
    },
  });
}

function clientRoute(context: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: '/api/profiles/:profile/client',
    summary: 'The script that sets up a client of a channel (the last channel by default)',
    query: z.object({ channel: z.string().optional() }),
    body: NO_BODY,
    replies: { 200: 'text/x-shellscript' },
    handle: async ({ params, query, request, response }) => {
      const profile = context.profiles.get(params('profile'));
      const channel = query.channel ?? profile.channels.at(-1) ?? '';
      sendSetupScript(context, { request, response }, { profile: profile.name, channel });
      return undefined;
    },
  });
}

function pushRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'put',
    path: '/api/profiles/:profile/packages',
    role: 'builder',
    summary: 'Push a package; the same one again is answered with what it became',
    query: z.object({ sha512: sha512Schema }),
    body: BYTES,
    replies: { 200: packageViewSchema, 201: packageViewSchema },
    handle: async ({ params, query: { sha512 }, request, identity }) => {
      const { name: profile } = context.profiles.get(params('profile'));
      expectUpload(request);
      const size = announcedLength(request);
      if (size === 0) {
        throw new AppError('upload-empty', 'The upload has no bytes.');
      }
      const file = await context.repository.receiveUpload(request, {
        sha512,
        ...(size === undefined ? {} : { size }),
      });
      const { package: record, created } = await context.repository.importPackage({
        profile,
        file,
        uploadSha512: sha512,
        origin: `push:${identity.name}`,
        actor: actorOf(identity),
      });
      return { status: created ? 201 : 200, json: packageView(record) };
    },
  });
}
