import * as z from 'zod';

const stateSchema = z.enum([
  'waiting',
  'ready',
  'leased',
  'succeeded',
  'failed',
  'skipped',
  'cancelled',
]);

/** A job that another one waits for. */
const neededSchema = z.object({
  job: z.string(),
  name: z.string(),
  state: stateSchema,
  agent: z.string().nullable(),
  /** Since when it is being built. */
  sinceMs: z.number().nullable(),
  /** How long it will still take, when earlier builds tell; 0 when it takes longer than they did. */
  leftMs: z.number().nullable(),
});

const lackSchema = z.object({
  what: z.enum(['profile', 'executor', 'chost', 'compiler', 'memory', 'disk', 'label']),
  wanted: z.string(),
  has: z.string(),
});

const others = z.number();
const names = z.array(z.string()).readonly();
const code = <T extends string>(word: T) => z.literal(word);

/** Why a job that needs nothing any more has not begun. `others`: agents of which the same holds and that are not named. */
const standstillSchemas = [
  z.object({
    code: code('paused-request'),
    by: z.string(),
    reason: z.string(),
    sinceMs: z.number(),
  }),
  z.object({
    code: code('paused-profile'),
    profile: z.string(),
    by: z.string(),
    reason: z.string(),
    sinceMs: z.number(),
  }),
  z.object({ code: code('no-agent') }),
  z.object({
    code: code('no-fitting-agent'),
    agents: z
      .array(z.object({ name: z.string(), lacks: z.array(lackSchema).readonly() }))
      .readonly(),
    others,
  }),
  z.object({
    code: code('agents-away'),
    agents: z.array(z.object({ name: z.string(), silentMs: z.number() })).readonly(),
    others,
  }),
  z.object({
    code: code('agents-inactive'),
    agents: z
      .array(
        z.object({
          name: z.string(),
          state: z.enum(['drained', 'taken-out']),
          reason: z.string(),
        }),
      )
      .readonly(),
    others,
  }),
  z.object({ code: code('backing-off'), attempt: z.number(), leftMs: z.number() }),
  z.object({
    code: z.enum(['agents-busy', 'one-giant-each']),
    agents: names,
    others,
    freeInMs: z.number().nullable(),
  }),
  z.object({ code: code('next'), agents: names, others }),
] as const;

/** Why a job stands where it stands. Lengths of time in milliseconds. */
export const whySchema = z.discriminatedUnion('code', [
  neededSchema.extend({
    code: code('needs-job'),
    /** Other jobs that it waits for as well. */
    others,
    /** What the needed job waits for in the end, when it waits itself. */
    root: neededSchema.nullable(),
    /** Why the needed job, or the root, has not begun. */
    because: z.discriminatedUnion('code', [...standstillSchemas]).nullable(),
  }),
  neededSchema.extend({
    code: code('joined'),
    /** The request that builds it; `job` is its job. */
    request: z.string(),
    /** Why it is not being built at this moment. */
    because: z.discriminatedUnion('code', [...standstillSchemas]).nullable(),
  }),
  ...standstillSchemas,
  z.object({
    code: code('building'),
    agent: z.string(),
    attempt: z.number(),
    sinceMs: z.number(),
    leftMs: z.number().nullable(),
  }),
  z.object({ code: code('stopping'), agent: z.string(), by: z.string() }),
  z.object({
    code: code('succeeded'),
    agent: z.string(),
    attempt: z.number(),
    tookMs: z.number().nullable(),
    /** The request that has built it, when that is another one. */
    request: z.string().nullable(),
  }),
  z.object({
    code: z.enum(['failed', 'cancelled', 'skipped']),
    agent: z.string().nullable(),
    attempt: z.number(),
    reason: z.string(),
  }),
]);
