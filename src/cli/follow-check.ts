import { type CheckView, checkViewSchema } from '../protocol/repository.ts';
import { parseServerEvents } from './event-stream.ts';
import { type FollowOptions, throughRestarts } from './follow.ts';
import { parseJson, type ServerClient } from './server-client.ts';

const PATH = '/api/repository/check/events';

/** Follows the check of the repository to its end. `onChange` gets the whole check each time. */
export async function followCheck(
  client: ServerClient,
  options: FollowOptions & { readonly onChange: (check: CheckView) => void },
): Promise<CheckView> {
  return await throughRestarts(options, async (alive) => {
    const bytes = await client.stream(PATH, {}, options.signal);
    alive();
    let last: CheckView | undefined;
    for await (const { event, data } of parseServerEvents(bytes)) {
      alive();
      if (event === 'end') {
        return last;
      }
      last = parseJson(data, checkViewSchema, PATH);
      options.onChange(last);
    }
    return undefined;
  });
}
