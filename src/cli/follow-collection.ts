import { type CollectionTaskView, collectionProgressSchema } from '../protocol/retention.ts';
import { parseServerEvents } from './event-stream.ts';
import { type FollowOptions, throughRestarts } from './follow.ts';
import { parseJson, type ServerClient } from './server-client.ts';

const PATH = '/api/repository/collect/events';

type Progress = NonNullable<ReturnType<typeof collectionProgressSchema.parse>['underWay']>;

/**
 * Follows a collection to its end. `onChange` is told how far it is, or the one that it waits for. Returns undefined when
 * the server knows nothing of it any more: it was started anew, or somebody else has begun one since.
 */
export async function followCollection(
  client: ServerClient,
  id: string,
  options: FollowOptions & { readonly onChange: (progress: Progress) => void },
): Promise<{ readonly ended: CollectionTaskView | undefined }> {
  return await throughRestarts(options, async (alive) => {
    const bytes = await client.stream(PATH, {}, options.signal);
    alive();
    for await (const { event, data } of parseServerEvents(bytes)) {
      alive();
      if (event === 'end') {
        break;
      }
      const { task, underWay } = parseJson(data, collectionProgressSchema, PATH);
      if (task?.id !== id) {
        return { ended: undefined };
      }
      if (task.state !== 'running') {
        return { ended: task };
      }
      if (underWay !== null) {
        options.onChange(underWay);
      }
    }
    return undefined;
  });
}
