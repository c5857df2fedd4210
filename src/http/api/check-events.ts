import type { Request, Response } from 'express';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { checkView } from './check-view.ts';
import { streamState } from './state-events.ts';

/**
 * Streams the check of the repository, see `streamState`. Throws `check-not-running` before anything is sent when there is
 * none to tell of.
 */
export async function streamCheck(
  { check, stopping }: Pick<HttpContext, 'check' | 'stopping'>,
  exchange: { readonly request: Request; readonly response: Response },
): Promise<void> {
  if (check.state() === undefined) {
    throw new AppError('check-not-running', 'No check of the repository is under way.');
  }
  const changing = {
    listen: (listener: () => void) => check.listen(listener),
    read: () => {
      const state = check.state();
      return {
        json: state === undefined ? '' : JSON.stringify(checkView(state)),
        isOver: state?.state !== 'running',
      };
    },
  };
  await streamState(changing, { ...exchange, stopping });
}
