import type { PhpBuild } from '../gentoo/php-build.ts';
import { requestViewSchema } from '../protocol/builds.ts';
import {
  phpCollectionSchema,
  phpDifferenceSchema,
  phpImportedSchema,
  phpProfileSchema,
  phpTreeDetailSchema,
} from '../protocol/php.ts';
import type { Call, Calls } from './server-client.ts';

/** What the `php` commands ask of a server. */
export function phpCalls({ get, ask }: Pick<Calls, 'get' | 'ask'>) {
  const act = async (method: 'POST' | 'DELETE', path: string, json: object) =>
    await ask({ method, path, json }, phpProfileSchema);
  return {
    phpTrees: async (profile: string) => await get(phpPath(profile), phpProfileSchema),
    phpTree: async (profile: string, tree: string) =>
      await get(`${phpPath(profile)}/trees/${encodeURIComponent(tree)}`, phpTreeDetailSchema),
    phpDifference: async (profile: string, ids: { readonly from: string; readonly to: string }) =>
      await get(`${phpPath(profile)}/diff`, phpDifferenceSchema, ids),
    promotePhp: async (
      profile: string,
      channel: string,
      body: { readonly reason: string; readonly tree?: string; readonly force?: boolean },
    ) => await act('POST', `${channelPath(profile, channel)}/promote`, body),
    rollBackPhp: async (
      profile: string,
      channel: string,
      body: { readonly reason: string; readonly tree?: string },
    ) => await act('POST', `${channelPath(profile, channel)}/rollback`, body),
    removePhp: async (
      profile: string,
      tree: string,
      body: { readonly reason: string; readonly force: boolean },
    ) => await act('DELETE', `${phpPath(profile)}/trees/${encodeURIComponent(tree)}`, body),
    collectPhp: async (profile: string, dryRun: boolean) =>
      await ask(
        { method: 'POST', path: `${phpPath(profile)}/collect`, json: { dryRun } },
        phpCollectionSchema,
      ),
    buildPhp: async (
      profile: string,
      upload: NonNullable<Call['upload']> & { readonly sha512: string },
      { build, channel }: { readonly build: PhpBuild; readonly channel: string | undefined },
    ) => {
      const query = { sha512: upload.sha512, build: JSON.stringify(build), channel };
      const path = `${phpPath(profile)}/builds`;
      return await ask({ method: 'POST', path, query, upload }, requestViewSchema);
    },
    importPhp: async (
      profile: string,
      upload: NonNullable<Call['upload']> & { readonly sha512: string },
      channel: string | undefined,
    ) =>
      await ask(
        {
          method: 'PUT',
          path: phpPath(profile),
          query: { sha512: upload.sha512, channel },
          upload,
        },
        phpImportedSchema,
      ),
  };
}

function phpPath(profile: string): string {
  return `/api/profiles/${encodeURIComponent(profile)}/php`;
}

function channelPath(profile: string, channel: string): string {
  return `${phpPath(profile)}/channels/${encodeURIComponent(channel)}`;
}
