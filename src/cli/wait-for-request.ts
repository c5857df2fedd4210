import type { RequestDetail } from '../protocol/builds.ts';
import type { Clock } from '../support/clock.ts';
import { AppError, messageOf } from '../support/errors.ts';
import { followRequest } from './follow.ts';
import type { Output } from './output.ts';
import { showJobs } from './progress.ts';
import type { ServerClient } from './server-client.ts';

/** Shows the jobs of a request until it has ended, through restarts of the server. */
export async function waitForRequest(
  client: ServerClient,
  id: string,
  { output, clock, signal }: { output: Output; clock: Clock; signal?: AbortSignal },
): Promise<RequestDetail> {
  const progress = showJobs(output, clock);
  try {
    return await followRequest(client, id, {
      clock,
      signal: signal ?? new AbortController().signal,
      onChange: progress.update,
      onLost: (error) => {
        progress.note(`${messageOf(error)} Trying again.`);
      },
      onBack: () => {
        progress.note(`Connected again to ${client.url}.`);
      },
    });
  } finally {
    progress.stop();
  }
}

/** Throws `request-cancelled`, `request-partial`, `request-failed` when not everything came about. */
export function requireDone({ id, state, reason }: RequestDetail): void {
  if (state === 'done') {
    return;
  }
  const why = reason ?? 'No reason was given.';
  if (state === 'cancelled') {
    throw new AppError('request-cancelled', `Request ${id} is cancelled: ${why}`);
  }
  if (state === 'partial') {
    throw new AppError('request-partial', `Request ${id} is published in part: ${why}`);
  }
  throw new AppError('request-failed', `Request ${id} is ${state}: ${why}`);
}
