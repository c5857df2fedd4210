import { messageOf } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import { repeating } from '../support/schedule.ts';
import type { BuildsContext } from './builds-context.ts';

/** How late a page may show what an agent has told another server. */
const LOG_LOOK_MS = 1_000;

/** Another server may have written what is followed here. */
export function lookAtLogs({ logs, log }: Pick<BuildsContext, 'logs' | 'log'>): Service {
  return repeating({
    name: 'look at logs',
    everyMs: LOG_LOOK_MS,
    work: async () => {
      logs.notifyAll();
    },
    onError: (error) => {
      log.error({ error: messageOf(error) }, 'looking at logs failed');
    },
  });
}
