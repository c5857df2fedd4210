import * as z from 'zod';
import type { Journal } from '../journal/journal.ts';
import { type AppError, isAppError } from '../support/errors.ts';
import type { PublicationKind } from './publication.ts';
import type { ChannelKey } from './publication-store.ts';
import type { Deed } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';

const KIND = 'publication-refused';
/** What says that the contents are not fit for the channel. Who came too late or asked for nonsense is only told so. */
const CODES: ReadonlySet<string> = new Set([
  'publication-refused',
  'promotion-not-proven',
  'index-collapsed',
  'index-invalid',
]);
/** Events after which a refusal is an old story. */
const RELEASES: ReadonlySet<string> = new Set(['published', 'promoted', 'rolled-back']);
const MAX_FINDINGS = 50;
const MAX_LISTED = 200;
const MAX_MESSAGE = 2000;

const detailsSchema = z.object({
  findings: z
    .array(
      z.object({
        id: z.string(),
        kind: z.string(),
        cpv: z.string(),
        message: z.string(),
        remedy: z.string(),
        rebuild: z.string().nullable(),
      }),
    )
    .default([]),
  /** `category/pn:slot` of what has to be rebuilt. */
  rebuild: z.array(z.string()).default([]),
  /** What the proof lacks, sentences. */
  missing: z.array(z.string()).default([]),
});

const refusalSchema = detailsSchema.extend({
  act: z.enum(['publish', 'promote', 'rollback']),
  code: z.string(),
  message: z.string(),
  /** More than `findings` has where there are very many. */
  findingCount: z.number(),
  reason: z.string(),
});

/** A publication that was refused, as the journal has it. */
export interface Refusal extends z.infer<typeof refusalSchema> {
  /** Its number in the journal. */
  readonly seq: number;
  readonly at: number;
  readonly actor: string;
}

export interface Attempt extends ChannelKey, Deed {
  readonly act: PublicationKind;
  /** Further facts for the journal. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Does the work; when the contents are refused, that is an event of its own. Throws what the work throws. */
export async function tellRefusal<T>(
  { journal }: Pick<RepositoryContext, 'journal'>,
  attempt: Attempt,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isAppError(error) && CODES.has(error.code)) {
      await journal.record({
        kind: KIND,
        subject: subjectOf(attempt),
        actor: attempt.author,
        data: { ...attempt.data, ...toldOf(attempt, error) },
      });
    }
    throw error;
  }
}

/** The last refusal on a channel, unless something was published there since. */
export async function findLastRefusal(
  journal: Journal,
  channel: ChannelKey,
): Promise<Refusal | undefined> {
  const subject = subjectOf(channel);
  const [event] = await journal.find({ kind: KIND, subject, limit: 1 });
  const refusal = refusalSchema.safeParse(event?.data).data;
  if (event === undefined || refusal === undefined) {
    return undefined;
  }
  for (const kind of RELEASES) {
    if ((await journal.find({ kind, subject, after: event.seq, limit: 1 })).length > 0) {
      return undefined;
    }
  }
  const { seq, at, actor } = event;
  return { ...refusal, seq, at, actor };
}

function toldOf({ act, reason }: Attempt, { code, message, details }: AppError): object {
  const { findings, rebuild, missing } = detailsSchema.parse(details);
  return {
    act,
    code,
    message: message.slice(0, MAX_MESSAGE),
    findings: findings.slice(0, MAX_FINDINGS),
    findingCount: findings.length,
    rebuild: rebuild.slice(0, MAX_LISTED),
    missing: missing.slice(0, MAX_LISTED),
    reason,
  };
}

function subjectOf({ profile, channel }: ChannelKey): string {
  return `channel:${profile}/${channel}`;
}
