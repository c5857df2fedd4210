import { z } from 'zod';
import { recipeSchema } from '../gentoo/recipe.ts';

/** What the agent is told to do for a job, as it is kept in the database. */
export const jobSpecSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('plan'), atoms: z.array(z.string()), rebuild: z.boolean() }),
  z.object({ kind: z.literal('portage-package'), cpv: z.string(), repo: z.string() }),
  z.object({
    kind: z.literal('source-package'),
    recipe: recipeSchema,
    sourceSha512: z.string().nullable(),
    inputs: z.string(),
  }),
]);
export type JobSpec = z.infer<typeof jobSpecSchema>;

/** What an agent may report at the end of an attempt. */
export type ReportedOutcome = 'succeeded' | 'failed' | 'cancelled';

/**
 * How an attempt ended. `reported`: the agent said so; what it said stands in `said`, and may have turned out
 * otherwise. `vanished`: its lease expired. `undelivered`: nobody was there any more to take the lease. `unstaged`:
 * the server could not prepare what the job installs.
 */
export type AttemptEnd =
  | {
      readonly kind: 'reported';
      readonly said: ReportedOutcome;
      readonly outcome: ReportedOutcome;
      readonly reason: string;
    }
  | { readonly kind: 'vanished' | 'undelivered' | 'unstaged' };

/** How it stands in the history of attempts. */
export function outcomeOf(end: AttemptEnd): string {
  return end.kind === 'reported' ? end.said : end.kind;
}

/** The attempts that a job has had, the present one included. */
export interface Tries {
  /** Those that took a builder's time and gave no result. */
  readonly lost: number;
  readonly all: number;
  readonly maxLost: number;
}

/** What becomes of the job. */
export type Verdict =
  | { readonly state: 'succeeded' | 'ready' }
  | { readonly state: 'failed' | 'cancelled'; readonly reason: string };

/** Leases per allowed loss: a limit also for attempts that are nobody's fault, so that nothing goes on for ever. */
const LEASES_PER_LOSS = 10;

export function judgeAttempt(
  end: AttemptEnd,
  job: { readonly agent: string; readonly cancelledBy: string | null; readonly tries: Tries },
): Verdict {
  if (end.kind === 'reported' && end.outcome === 'succeeded') {
    return { state: 'succeeded' };
  }
  if (job.cancelledBy !== null) {
    return { state: 'cancelled', reason: `Cancelled by ${job.cancelledBy}.` };
  }
  if (end.kind === 'reported' && end.outcome === 'failed') {
    return { state: 'failed', reason: end.reason };
  }
  const { lost, all, maxLost } = job.tries;
  if (lost < maxLost && all < maxLost * LEASES_PER_LOSS) {
    return { state: 'ready' };
  }
  return { state: 'failed', reason: givenUp(end, job) };
}

function givenUp(
  end: AttemptEnd,
  { agent, tries }: { readonly agent: string; readonly tries: Tries },
): string {
  const count = `Attempt ${tries.all} was the last that is made`;
  const why: Readonly<Record<AttemptEnd['kind'], string>> = {
    reported: `the agent ${agent} gave it back`,
    vanished: `the agent ${agent} vanished without a result, and ${tries.lost} attempts were lost in all`,
    undelivered: `the agent ${agent} did not take it`,
    unstaged: 'the server could not prepare the packages that the job may install',
  };
  return `${count}: ${why[end.kind]}.`;
}

/** Why a job is not built when one that it needs has ended without success. */
export function skipReason(needed: { readonly name: string; readonly state: string }): string {
  return `It needs ${needed.name}, which ${needed.state === 'cancelled' ? 'was cancelled' : 'failed'}.`;
}
