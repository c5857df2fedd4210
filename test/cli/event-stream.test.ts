import { describe, expect, it } from '@jest/globals';
import { parseServerEvents, type ServerEvent } from '../../src/cli/event-stream.ts';

const TEXT = [
  ': still here',
  '',
  'data: {"a":"ü"}',
  '',
  'event: end\r\ndata:one\r\ndata: two\r\n',
  'id: 7',
  'data:  three',
  '',
  'event: cut-off',
  'data: never told',
].join('\n');

async function* pieces(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
  }
}

async function eventsOf(bytes: AsyncIterable<Uint8Array>, limit?: number): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of parseServerEvents(bytes, limit)) {
    events.push(event);
  }
  return events;
}

describe('server-sent events', () => {
  it('are the same whatever pieces they come in', async () => {
    const bytes = Buffer.from(TEXT);
    for (let size = 1; size <= bytes.length; size += 1) {
      expect(await eventsOf(pieces(bytes, size))).toEqual([
        { event: 'message', data: '{"a":"ü"}' },
        { event: 'end', data: 'one\ntwo' },
        { event: 'message', data: ' three' },
      ]);
    }
  });

  it('are refused when one has no end', async () => {
    const line = pieces(Buffer.from('data: '.padEnd(200, 'x')), 10);
    await expect(eventsOf(line, 100)).rejects.toMatchObject({ code: 'unexpected-answer' });
    const many = pieces(Buffer.from('data: 0123456789\n'.repeat(20)), 10);
    await expect(eventsOf(many, 100)).rejects.toMatchObject({ code: 'unexpected-answer' });
  });
});
