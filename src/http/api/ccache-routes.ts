import { pipeline } from 'node:stream/promises';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { announcedLength, expectUpload } from '../request-body.ts';
import { BYTES, guardedRoute, NO_BODY, NO_QUERY, type Route } from './route.ts';

const PATH = '/ccache/:profile/:bucket/:entry';

/**
 * What ccache wants of an HTTP storage (its manual, "HTTP storage backend"; layout `subdirs`). Builders only, for
 * reading too: compiled code says a lot about its source.
 */
export function ccacheRoutes(context: HttpContext): readonly Route[] {
  const shared = { path: PATH, role: 'builder', query: NO_QUERY } as const;
  return [
    guardedRoute({
      ...shared,
      method: 'get',
      summary: "An entry of a profile's shared ccache",
      body: NO_BODY,
      replies: { 200: 'application/octet-stream' },
      handle: async ({ params, request, response }) => {
        const { profile, key } = placeOf(context, params);
        const entry = await context.compilerCache.open(profile, key);
        if (entry === undefined) {
          throw unknown(profile, key);
        }
        const { stream, size } = entry;
        response.status(200).set({
          'Content-Type': 'application/octet-stream',
          'Content-Length': `${size}`,
        });
        if (request.method === 'HEAD') {
          stream.destroy();
          response.end();
        } else {
          await pipeline(stream, response);
        }
        return undefined;
      },
    }),
    guardedRoute({
      ...shared,
      method: 'put',
      summary: "Keep an entry in a profile's shared ccache",
      body: BYTES,
      replies: { 204: null },
      handle: async ({ params, request }) => {
        const { profile, key, maxBytes } = placeOf(context, params);
        expectUpload(request);
        const size = announcedLength(request);
        const entry = { stream: request, maxBytes, ...(size === undefined ? {} : { size }) };
        await context.compilerCache.put(profile, key, entry);
        return { status: 204 };
      },
    }),
    guardedRoute({
      ...shared,
      method: 'delete',
      summary: "Remove an entry of a profile's shared ccache",
      body: NO_BODY,
      replies: { 204: null },
      handle: async ({ params }) => {
        const { profile, key } = placeOf(context, params);
        if (!(await context.compilerCache.remove(profile, key))) {
          throw unknown(profile, key);
        }
        return { status: 204 };
      },
    }),
  ];
}

/** Throws `unknown-profile`, `profile-broken`, `ccache-off`. */
function placeOf(
  context: HttpContext,
  params: (name: string) => string,
): { readonly profile: string; readonly key: string; readonly maxBytes: number } {
  const { name, compileSharing } = context.profiles.get(params('profile'));
  const maxBytes = compileSharing?.ccacheBytes ?? null;
  if (maxBytes === null) {
    throw new AppError('ccache-off', `The profile ${name} has no shared ccache.`, {
      details: { profile: name },
    });
  }
  return { profile: name, key: `${params('bucket')}/${params('entry')}`, maxBytes };
}

function unknown(profile: string, key: string): AppError {
  return new AppError(
    'unknown-ccache-entry',
    `The shared ccache of ${profile} has nothing at ${key}.`,
  );
}
