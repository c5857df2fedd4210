import { type EventView, eventViewSchema } from '../protocol/journal.ts';
import {
  progressSchema,
  type RolloutDetail,
  type RolloutProgress,
  type RolloutStateView,
} from '../protocol/rollouts.ts';
import { parseServerEvents } from './event-stream.ts';
import { type FollowOptions, throughRestarts } from './follow.ts';
import { parseJson, type ServerClient } from './server-client.ts';

const FINAL = new Set<RolloutStateView>(['aborted', 'done', 'done-with-held', 'discarded']);

export function isFinalRollout({ state }: { readonly state: RolloutStateView }): boolean {
  return FINAL.has(state);
}

/**
 * Follows a rollout to its end, through restarts of the server. Each event of its journal behind the number `after` is told
 * once; `onProgress` gets what has changed. Returns the rollout as it has ended.
 */
export async function followRollout(
  client: ServerClient,
  id: string,
  options: FollowOptions & {
    readonly after: number;
    readonly onProgress: (progress: RolloutProgress) => void;
    readonly onLog: (event: EventView) => void;
  },
): Promise<RolloutDetail> {
  const path = `/api/rollouts/${encodeURIComponent(id)}/events`;
  let { after } = options;
  return await throughRestarts(options, async (alive) => {
    const bytes = await client.stream(path, { after }, options.signal);
    alive();
    for await (const { event, data } of parseServerEvents(bytes)) {
      alive();
      if (event === 'log') {
        const told = parseJson(data, eventViewSchema, path);
        after = told.seq;
        options.onLog(told);
      } else if (event === 'progress') {
        options.onProgress(parseJson(data, progressSchema, path));
      } else if (event === 'end') {
        break;
      }
    }
    const rollout = await client.rollout(id, options.signal);
    return isFinalRollout(rollout) ? rollout : undefined;
  });
}
