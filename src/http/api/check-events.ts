import type { Request, Response } from 'express';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { checkView } from './check-view.ts';
import { streamTask } from './task-events.ts';

/** See `streamTask`. Throws `check-not-running` before anything is sent when there is none to tell of. */
export async function streamCheck(
  { check, stopping }: Pick<HttpContext, 'check' | 'stopping'>,
  exchange: { readonly request: Request; readonly response: Response },
): Promise<void> {
  if (check.state() === undefined) {
    throw new AppError('check-not-running', 'No check of the repository is under way.');
  }
  await streamTask(check, { ...exchange, stopping, view: checkView });
}
