import * as z from 'zod';

/**
 * What logs and history tell about builds:
 *
 *     GET /api/requests/:id/timeline                 -> timelineSchema
 *     GET /api/jobs/:id/failure?attempt=             -> failureDetailSchema
 *     GET /api/jobs/:id/log/events?attempt=&offset=  server-sent events: `data:` is a logPieceSchema, its id
 *                                                    `<attempt>:<offset>` is where the next one begins; event `end`
 *                                                    when the job has ended
 *     GET /api/logs/search?q=&request=&job=&after=&limit=   server-sent events: `match` logMatchSchema, `progress`
 *                                                    searchProgressSchema, `end` searchEndSchema
 *     GET /api/history?profile=&package=&agent=&days=&limit=   -> historySchema
 *     GET /api/history/package?profile=&package=&agent=&days=&limit=   -> historyGroupsSchema
 *     GET /api/history/profile?...                   -> historyGroupsSchema
 *     GET /api/history/agent?...                     -> historyGroupsSchema
 *
 * Times are epoch milliseconds.
 */
export const failureViewSchema = z.object({
  /** The attempt that has failed this way. */
  attempt: z.number(),
  phase: z.string().nullable(),
  /** The line of the log that names the first real error, plain text. */
  text: z.string(),
  /** Its number, from 1 on. */
  line: z.number(),
});
export type FailureView = z.infer<typeof failureViewSchema>;

export const progressViewSchema = z.object({
  phase: z.string().nullable(),
  /** What the phase's program counts, such as the steps of ninja. */
  done: z.number().nullable(),
  total: z.number().nullable(),
});
export type ProgressView = z.infer<typeof progressViewSchema>;

export const failureDetailSchema = failureViewSchema.extend({
  firstLine: z.number(),
  /** The lines around the error, plain text. */
  lines: z.array(z.string()),
});
export type FailureDetail = z.infer<typeof failureDetailSchema>;

export const timelineSchema = z.object({
  attempts: z.array(
    z.object({
      jobId: z.string(),
      attempt: z.number(),
      agent: z.string(),
      startedAt: z.number(),
      finishedAt: z.number().nullable(),
      outcome: z.string().nullable(),
    }),
  ),
  /** When each open job is expected to run; those that no live agent can do are missing. */
  expected: z.array(
    z.object({
      jobId: z.string(),
      startsAt: z.number(),
      endsAt: z.number(),
      /** `measured` on this profile, `elsewhere` on another, `guessed` from other packages. */
      basis: z.enum(['measured', 'elsewhere', 'guessed']),
    }),
  ),
  expectedAt: z.number().nullable(),
  /** The chain of jobs, each needing the one before, that takes longest. */
  criticalPath: z.array(z.string()),
  criticalMs: z.number(),
});
export type TimelineView = z.infer<typeof timelineSchema>;

export const logPieceSchema = z.object({
  attempt: z.number(),
  /** Whole lines, plain text. */
  text: z.string(),
});
export const logEndSchema = z.object({ state: z.string() });

export const logMatchSchema = z.object({
  requestId: z.string(),
  jobId: z.string(),
  attempt: z.number(),
  name: z.string(),
  profile: z.string(),
  line: z.number(),
  text: z.string(),
});
export type LogMatchView = z.infer<typeof logMatchSchema>;

export const searchProgressSchema = z.object({
  /** Logs that were looked through, of how many. */
  logs: z.number(),
  total: z.number(),
});
export const searchEndSchema = searchProgressSchema.extend({
  matches: z.number(),
  stoppedBy: z.enum(['matches', 'time']).nullable(),
  /** `after` of the search that goes on from here. */
  next: z.string().nullable(),
});
export type SearchEnd = z.infer<typeof searchEndSchema>;

export const attemptViewSchema = z.object({
  jobId: z.string(),
  attempt: z.number(),
  requestId: z.string(),
  profile: z.string(),
  name: z.string(),
  package: z.string(),
  agent: z.string(),
  startedAt: z.number(),
  finishedAt: z.number(),
  outcome: z.string(),
  logBytes: z.number().nullable(),
  packageBytes: z.number().nullable(),
  failure: failureViewSchema.nullable(),
});
export const historySchema = z.object({ attempts: z.array(attemptViewSchema) });
export type AttemptView = z.infer<typeof attemptViewSchema>;

export const historyGroupsSchema = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      attempts: z.number(),
      succeeded: z.number(),
      failed: z.number(),
      spentMs: z.number(),
      /** Of those that succeeded. */
      averageMs: z.number().nullable(),
      longestMs: z.number().nullable(),
      averageBytes: z.number().nullable(),
      lastAt: z.number(),
    }),
  ),
});
export type HistoryGroupView = z.infer<typeof historyGroupsSchema>['groups'][number];
