import type { BuildFailure } from '../gentoo/build-failure.ts';
import { isAppError } from '../support/errors.ts';
import type { AttemptName } from './build-log.ts';
import type { BuildsContext } from './builds-context.ts';

/** What the log of an attempt that ends has to say. */
export interface EndOfLog {
  readonly bytes: number | null;
  readonly failure: BuildFailure | undefined;
}

/** The log's size and, when the attempt has failed, its first error. A log that is damaged says nothing. */
export async function readEndOfLog(
  { logs, findings }: Pick<BuildsContext, 'logs' | 'findings'>,
  { jobId, attempt }: AttemptName,
  hasFailed: boolean,
): Promise<EndOfLog> {
  const name = { jobId, attempt };
  try {
    const bytes = (await logs.size(name)) ?? null;
    return { bytes, failure: hasFailed ? (await findings.of(name)).failure : undefined };
  } catch (error) {
    if (isAppError(error, 'log-damaged')) {
      return { bytes: null, failure: undefined };
    }
    throw error;
  }
}

/** Packs the log of an attempt that has ended. */
export function packInBackground(context: BuildsContext, { jobId, attempt }: AttemptName): void {
  context.inBackground(`pack log ${jobId}/${attempt}`, async () => {
    await context.logs.pack({ jobId, attempt });
    context.logs.notify(jobId);
  });
}
