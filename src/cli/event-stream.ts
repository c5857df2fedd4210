import { AppError } from '../support/errors.ts';

export interface ServerEvent {
  /** `message` when the stream names none. */
  readonly event: string;
  readonly data: string;
}

const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;

/**
 * Server-sent events out of bytes, whatever their pieces (HTML standard, "Server-sent events", 9.2.6). An event
 * that the end of the stream cuts off is dropped. Throws `unexpected-answer` for an event without end.
 */
export async function* parseServerEvents(
  bytes: AsyncIterable<Uint8Array>,
  maxCharacters: number = MAX_EVENT_CHARACTERS,
): AsyncIterable<ServerEvent> {
  let event = '';
  let data: string[] = [];
  let size = 0;
  for await (const line of lines(bytes, maxCharacters)) {
    if (line === '') {
      if (data.length > 0) {
        yield { event: event === '' ? 'message' : event, data: data.join('\n') };
      }
      event = '';
      data = [];
      size = 0;
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') {
      event = value;
    } else if (field === 'data') {
      size += value.length;
      refuseAbove(size, maxCharacters);
      data.push(value);
    }
  }
}

async function* lines(bytes: AsyncIterable<Uint8Array>, maxCharacters: number) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    const found = rest.split(/\r\n|\n|\r(?!$)/);
    rest = found.pop() ?? '';
    yield* found;
    refuseAbove(rest.length, maxCharacters);
  }
}

function refuseAbove(size: number, limit: number): void {
  if (size > limit) {
    throw new AppError(
      'unexpected-answer',
      `The server sent an event of more than ${limit} bytes.`,
    );
  }
}
