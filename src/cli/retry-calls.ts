import { agentListSchema, agentViewSchema } from '../protocol/agents.ts';
import { blockedListSchema } from '../protocol/blocked.ts';
import type { Calls } from './server-client.ts';

/** Calls about agents, and about what the farm has stopped trying. */
export function retryCalls({ get, post }: Pick<Calls, 'get' | 'post'>) {
  return {
    agents: async () => (await get('/api/agents', agentListSchema)).agents,
    blocked: async (profile: string | undefined) =>
      (await get('/api/blocked', blockedListSchema, { profile })).blocked,
    unblock: async (profile: string, packages: readonly string[]) =>
      (await post('/api/blocked/unblock', { profile, packages }, blockedListSchema)).blocked,
    restoreAgent: async (name: string) =>
      await post(`/api/agents/${encodeURIComponent(name)}/restore`, {}, agentViewSchema),
  };
}
