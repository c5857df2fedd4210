import * as z from 'zod';

/**
 *     GET  /api/schedules?runs=                        -> scheduleListSchema
 *     POST /api/schedules/:profile/:schedule/run       -> 202 scheduledRunSchema      (admin)
 *     POST /api/schedules/:profile/:schedule/pause     -> scheduleViewSchema          (admin)
 *     POST /api/schedules/:profile/:schedule/resume    -> scheduleViewSchema          (admin)
 *
 * Times are in milliseconds since the epoch.
 */
export const scheduledRunSchema = z.object({
  plannedAt: z.number(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  state: z.enum([
    'starting',
    'running',
    'done',
    'failed',
    'cancelled',
    'interrupted',
    'skipped',
    'missed',
  ]),
  reason: z.string().nullable(),
  requestId: z.string().nullable(),
  actor: z.string(),
});

export const scheduleViewSchema = z.object({
  profile: z.string(),
  name: z.string(),
  cron: z.string(),
  timeZone: z.string(),
  jitterMs: z.number(),
  graceMs: z.number(),
  missed: z.enum(['run-once', 'skip']),
  /** What it does, in words. */
  work: z.string(),
  pausedAt: z.number().nullable(),
  pausedBy: z.string().nullable(),
  /** When the next runs begin. */
  next: z.array(z.number()),
  /** Newest first. */
  runs: z.array(scheduledRunSchema),
});
export type ScheduleView = z.infer<typeof scheduleViewSchema>;

export const scheduleListSchema = z.object({ schedules: z.array(scheduleViewSchema) });
