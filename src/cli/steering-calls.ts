import { agentViewSchema } from '../protocol/agents.ts';
import { profilePauseSchema, requestViewSchema } from '../protocol/builds.ts';
import type { Call, Calls } from './server-client.ts';

/** Calls that say who builds what when. */
export function steeringCalls({ post }: Pick<Calls, 'post'>, act: (call: Call) => Promise<void>) {
  return {
    pauseRequest: async (id: string, reason: string) =>
      await post(`/api/requests/${encodeURIComponent(id)}/pause`, { reason }, requestViewSchema),
    publishRequest: async (
      id: string,
      body: {
        readonly partial: boolean;
        readonly channel?: string;
        readonly force?: boolean;
        readonly reason?: string;
      },
    ) => await post(`/api/requests/${encodeURIComponent(id)}/publish`, body, requestViewSchema),
    resumeRequest: async (id: string) =>
      await post(`/api/requests/${encodeURIComponent(id)}/resume`, {}, requestViewSchema),
    prioritizeRequest: async (id: string, priority: number) =>
      await post(
        `/api/requests/${encodeURIComponent(id)}/priority`,
        { priority },
        requestViewSchema,
      ),
    drainAgent: async (name: string, reason: string) =>
      await post(`/api/agents/${encodeURIComponent(name)}/drain`, { reason }, agentViewSchema),
    resumeAgent: async (name: string) =>
      await post(`/api/agents/${encodeURIComponent(name)}/resume`, {}, agentViewSchema),
    pauseProfile: async (profile: string, reason: string) =>
      await post(
        `/api/profiles/${encodeURIComponent(profile)}/pause`,
        { reason },
        profilePauseSchema,
      ),
    resumeProfile: async (profile: string): Promise<void> => {
      const path = `/api/profiles/${encodeURIComponent(profile)}/resume`;
      await act({ method: 'POST', path, json: {} });
    },
  };
}
