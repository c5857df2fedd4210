import { phpImportedSchema, phpProfileSchema } from '../protocol/php.ts';
import type { Call, Calls } from './server-client.ts';

/** What the `php` commands ask of a server. */
export function phpCalls({ get, ask }: Pick<Calls, 'get' | 'ask'>) {
  return {
    phpTrees: async (profile: string) => await get(phpPath(profile), phpProfileSchema),
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
