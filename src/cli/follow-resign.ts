import { type ResignView, resignViewSchema } from '../protocol/keys.ts';
import { parseServerEvents } from './event-stream.ts';
import { type FollowOptions, throughRestarts } from './follow.ts';
import { parseJson, type ServerClient } from './server-client.ts';

const PATH = '/api/keys/resign/events';

/** Follows signing again to its end. `onChange` gets how far it is. */
export async function followResign(
  client: ServerClient,
  options: FollowOptions & { readonly onChange: (resign: ResignView) => void },
): Promise<ResignView> {
  return await throughRestarts(options, async (alive) => {
    const bytes = await client.stream(PATH, {}, options.signal);
    alive();
    let last: ResignView | undefined;
    for await (const { event, data } of parseServerEvents(bytes)) {
      alive();
      if (event === 'end') {
        return last?.state === 'stopped' ? undefined : last;
      }
      last = parseJson(data, resignViewSchema, PATH);
      options.onChange(last);
    }
    return undefined;
  });
}
