import type { Request, Response } from 'express';
import type { ResignView } from '../../protocol/keys.ts';
import type { ResignState } from '../../repository/resign/resign-task.ts';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { streamTask } from './task-events.ts';

export function resignView(state: ResignState): ResignView {
  return { ...state, skipped: [...state.skipped], refused: [...state.refused] };
}

/** See `streamTask`. Throws `resign-not-running` before anything is sent when there is none to tell of. */
export async function streamResign(
  { resign, stopping }: Pick<HttpContext, 'resign' | 'stopping'>,
  exchange: { readonly request: Request; readonly response: Response },
): Promise<void> {
  if (resign.state() === undefined) {
    throw new AppError('resign-not-running', 'Nothing was signed again since the server started.');
  }
  await streamTask(resign, { ...exchange, stopping, view: resignView });
}
