import {
  type ExtendBody,
  keyListSchema,
  type RevokeBody,
  type RotateBody,
  resignAnswerSchema,
} from '../protocol/keys.ts';
import type { Calls } from './server-client.ts';

const PATH = '/api/keys';

/** What commands ask of a server about its keys. */
export function keyCalls({ get, post }: Pick<Calls, 'get' | 'post'>) {
  return {
    keys: async () => await get(PATH, keyListSchema),
    rotateKey: async (body: RotateBody) => await post(`${PATH}/rotate`, body, keyListSchema),
    extendKeys: async (body: ExtendBody) => await post(`${PATH}/extend`, body, keyListSchema),
    revokeKey: async (fingerprint: string, body: RevokeBody) =>
      await post(`${PATH}/${encodeURIComponent(fingerprint)}/revoke`, body, keyListSchema),
    beginResign: async (reason: string) =>
      await post(`${PATH}/resign`, { reason }, resignAnswerSchema),
  };
}
