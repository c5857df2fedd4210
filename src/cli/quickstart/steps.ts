import type { Clock } from '../../support/clock.ts';
import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import { formatDuration } from '../format.ts';
import type { Output } from '../output.ts';

/** Numbered steps: the title is said before, the outcome and the duration after. */
export interface Steps {
  readonly run: <T>(
    title: string,
    work: () => Promise<T>,
    outcome: (result: T) => string,
  ) => Promise<T>;
}

/**
 * A step that fails throws `quickstart-step-failed`, naming it. When `signal` aborts it fails with the signal's
 * reason, whatever its work was waiting for; `interrupted` passes through as it is.
 */
export function createSteps(
  { output, clock }: { readonly output: Output; readonly clock: Clock },
  signal: AbortSignal,
  total: number,
): Steps {
  let number = 0;
  return {
    run: async (title, work, outcome) => {
      number += 1;
      const label = `[${number}/${total}]`;
      const startedAt = clock.now();
      output.note(`${output.paint('cyan', label)} ${output.paint('bold', title)}`);
      try {
        signal.throwIfAborted();
        const result = await work();
        const took = output.paint('dim', `(${formatDuration(clock.now() - startedAt)})`);
        output.note(`      ${output.paint('green', 'ok')} ${outcome(result)} ${took}`);
        return result;
      } catch (caught) {
        const error: unknown = signal.aborted ? signal.reason : caught;
        if (isAppError(error, 'interrupted')) {
          throw error;
        }
        throw new AppError(
          'quickstart-step-failed',
          `Step ${number} of ${total}, "${title}", failed: ${messageOf(error)}`,
          { cause: error, details: { step: title } },
        );
      }
    },
  };
}
