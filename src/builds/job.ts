import * as z from 'zod';
import { recipeSchema } from '../gentoo/recipe.ts';
import { RESOLVE_OPTIONS } from '../gentoo/resolve-options.ts';
import { type Fault, faultOf } from './fault.ts';

/** What the agent is told to do for a job, as it is kept in the database. */
export const jobSpecSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('plan'),
    atoms: z.array(z.string()),
    rebuild: z.boolean(),
    /** What has to be built again with it, and why: `category/pn:slot`, and what follows "because". */
    again: z.array(z.object({ atom: z.string(), because: z.string() })).default([]),
    /** It adds to the plan that the request has. */
    isMore: z.boolean().default(false),
    /** The how-manieth it is that looks for what has to be built again; 0 when it does not look. */
    round: z.number().default(1),
    resolve: z.array(z.enum(RESOLVE_OPTIONS)).default([]),
    /** The ebuild trees are synced before. */
    sync: z.boolean().default(false),
    /** Those of the agent that made the request's first plan were. */
    isSynced: z.boolean().default(false),
  }),
  z.object({
    kind: z.literal('portage-package'),
    cpv: z.string(),
    repo: z.string(),
    /** An agent that cannot plan it as it is syncs its ebuild trees: those that the plan was made with were synced. */
    sync: z.boolean().exactOptional(),
  }),
  z.object({
    kind: z.literal('source-package'),
    recipe: recipeSchema,
    sourceSha512: z.string().nullable(),
    inputs: z.string(),
    /** It becomes this PHP tree, and no package. */
    tree: z
      .object({
        id: z.string(),
        php: z.string(),
        /** That shows it at once. */
        channel: z.string().nullable(),
        sources: z.array(z.object({ name: z.string(), sha256: z.string() })),
      })
      .optional(),
  }),
]);
/**
 * What a job's package is made from, as far as it is known before it is built. `job` is the one whose package it will
 * be built with; what is there already is looked up when the job is ready.
 */
export const jobIngredientsSchema = z.object({
  digest: z.string(),
  source: z.string().nullable(),
  settings: z.string(),
  /** It was asked for by name, to be built again whatever is there. */
  isForced: z.boolean(),
  with: z.array(z.object({ cpv: z.string(), slot: z.string(), job: z.string().nullable() })),
});
export type JobIngredients = z.infer<typeof jobIngredientsSchema>;

export type JobSpec = z.infer<typeof jobSpecSchema>;
export type PlanSpec = Extract<JobSpec, { kind: 'plan' }>;

/** What an agent may report at the end of an attempt. */
export type ReportedOutcome = 'succeeded' | 'failed' | 'cancelled';

/**
 * How an attempt ended. `reported`: the agent said so; what it said stands in `said`, and may have turned out
 * otherwise. `vanished`: its lease expired. `overdue`: the server ended it, because it broke a limit and its agent did
 * nothing about it. `undelivered`: nobody was there any more to take the lease. `unstaged`: the server could not
 * prepare what the job installs.
 */
export type AttemptEnd =
  | {
      readonly kind: 'reported';
      readonly said: ReportedOutcome;
      readonly outcome: ReportedOutcome;
      readonly reason: string;
      readonly code?: string;
    }
  | { readonly kind: 'overdue'; readonly reason: string; readonly code: string }
  | { readonly kind: 'vanished' | 'undelivered' | 'unstaged' };

/** How it stands in the history of attempts. */
export function outcomeOf(end: AttemptEnd): string {
  return end.kind === 'reported' ? end.said : end.kind;
}

/** Whose fault the end is; nobody's when the agent never had the job, or gave it back. */
export function faultOfEnd(end: AttemptEnd, wasHeard: boolean): Fault | null {
  if (end.kind === 'reported') {
    return end.outcome === 'failed' ? faultOf(end.code) : null;
  }
  if (end.kind === 'overdue') {
    return 'package';
  }
  return end.kind === 'vanished' && wasHeard ? 'machine' : null;
}

/** The attempts that a job has had, the present one included. */
export interface Tries {
  /** Those that took a builder's time and gave no result, and that the package cannot be blamed for. */
  readonly lost: number;
  readonly all: number;
  readonly maxLost: number;
  /** Attempts that were the package's fault, the newest last. */
  readonly failures: readonly { readonly agent: string; readonly attempt: number }[];
}

/** What becomes of the job. */
export type Verdict =
  | { readonly state: 'succeeded' }
  | { readonly state: 'ready'; readonly isAfterFault: boolean }
  | {
      readonly state: 'failed' | 'cancelled';
      readonly reason: string;
      /** The same build is not tried again until its inputs change or somebody asks for that. */
      readonly isBlocked: boolean;
    };

/** Leases per allowed loss: a limit also for attempts that are nobody's fault, so that nothing goes on for ever. */
const LEASES_PER_LOSS = 10;
/** Agents that a package has to fail on. */
const AGENTS_TO_FAIL_ON = 2;

export interface JudgedJob {
  readonly kind: 'plan' | 'package';
  readonly agent: string;
  readonly cancelledBy: string | null;
  readonly tries: Tries;
  /** Whether there is an agent that could do it and has neither failed nor lost it. */
  readonly hasOtherAgent: boolean;
}

export function judgeAttempt(end: AttemptEnd, fault: Fault | null, job: JudgedJob): Verdict {
  if (end.kind === 'reported' && end.outcome === 'succeeded') {
    return { state: 'succeeded' };
  }
  if (job.cancelledBy !== null) {
    return { state: 'cancelled', reason: `Cancelled by ${job.cancelledBy}.`, isBlocked: false };
  }
  if (fault === 'package' && 'reason' in end) {
    return judgeFailure(end.reason, job);
  }
  const { lost, all, maxLost } = job.tries;
  if (lost < maxLost && all < maxLost * LEASES_PER_LOSS) {
    return { state: 'ready', isAfterFault: fault !== null };
  }
  return { state: 'failed', reason: givenUp(end, job), isBlocked: false };
}

/** A plan is made of the same tree everywhere, so it is not asked for twice. */
function judgeFailure(reason: string, job: JudgedJob): Verdict {
  if (job.kind === 'plan') {
    return { state: 'failed', reason, isBlocked: false };
  }
  const { failures, all, maxLost } = job.tries;
  const agents = new Set(failures.map(({ agent }) => agent));
  const isLast = agents.size >= AGENTS_TO_FAIL_ON || all >= maxLost * LEASES_PER_LOSS;
  if (!isLast && job.hasOtherAgent) {
    return { state: 'ready', isAfterFault: true };
  }
  const others = failures.slice(0, -1).map(({ agent, attempt }) => `${agent} (attempt ${attempt})`);
  const before = others.length === 0 ? '' : ` It failed on ${others.join(', ')} as well.`;
  return { state: 'failed', reason: `${reason}${before}`, isBlocked: true };
}

function givenUp(end: AttemptEnd, { agent, tries }: JudgedJob): string {
  const count = `Attempt ${tries.all} was the last that is made`;
  const lost = `${tries.lost} attempts were lost in all`;
  const why: Readonly<Record<AttemptEnd['kind'], string>> = {
    reported: `the agent ${agent} gave it back`,
    vanished: `the agent ${agent} vanished without a result, and ${lost}`,
    overdue: lost,
    undelivered: `the agent ${agent} did not take it`,
    unstaged: 'the server could not prepare the packages that the job may install',
  };
  return 'reason' in end && faultOfEnd(end, true) !== null
    ? `${count}: ${lost}. On the agent ${agent}: ${end.reason}`
    : `${count}: ${why[end.kind]}.`;
}

/** Why a job is not built when one that it needs has ended without success. */
export function skipReason(needed: { readonly name: string; readonly state: string }): string {
  return `It needs ${needed.name}, which ${needed.state === 'cancelled' ? 'was cancelled' : 'failed'}.`;
}
