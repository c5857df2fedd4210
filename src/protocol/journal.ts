import * as z from 'zod';

/**
 *     GET  /api/journal           journalQuerySchema -> journalViewSchema
 *     GET  /api/journal/stream    journalStreamQuerySchema -> text/event-stream
 *
 * The stream tells each event once, with its number as `id`: a client that comes back says the last one it has
 * (Last-Event-ID, or `after`) and misses none. Without, it begins with what happens from now on.
 */
const filter = {
  /** What it happened to: `channel:<profile>/<channel>`, `package:<id>`, `request:<id>`, `token:<name>` ... */
  subject: z.string().max(500).optional(),
  kind: z.string().max(100).optional(),
  /** `token:<name>`, `agent:<name>` or `server`. */
  actor: z.string().max(200).optional(),
};
const number = z.coerce.number().int().min(0).optional();

export const journalQuerySchema = z.object({
  ...filter,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** Only events before this number; newest first. */
  before: number,
  /** Only events after this number; oldest first. */
  after: number,
});
export const journalStreamQuerySchema = z.object({ ...filter, after: number });

export const eventViewSchema = z.object({
  seq: z.number(),
  /** Milliseconds since the epoch. */
  at: z.number(),
  kind: z.string(),
  subject: z.string(),
  actor: z.string(),
  /** What was before and after, and why, as far as the kind of event has it. */
  data: z.record(z.string(), z.unknown()),
});
export type EventView = z.infer<typeof eventViewSchema>;

export const journalViewSchema = z.object({ events: z.array(eventViewSchema) });
