import { pino } from 'pino';
import * as z from 'zod';
import type { Log } from '../../src/support/log.ts';

const lineSchema = z.looseObject({ level: z.number(), msg: z.string() });
export type LogLine = z.infer<typeof lineSchema>;

/** A log that keeps its lines. */
export function recordedLog(): { readonly log: Log; readonly lines: () => LogLine[] } {
  const texts: string[] = [];
  const log = pino(
    { level: 'info', base: null },
    {
      write: (text) => {
        texts.push(text);
      },
    },
  );
  return { log, lines: () => texts.map((text) => lineSchema.parse(JSON.parse(text))) };
}
