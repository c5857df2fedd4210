import { type Backoff, retry } from '../../support/backoff.ts';
import { AppError, isAppError } from '../../support/errors.ts';
import type { NoticeWay } from './notifier.ts';
import type { Notice } from './ports.ts';

export interface WebhookSettings {
  /** http or https. It may have a secret in it: it is never shown whole. */
  readonly url: string;
  readonly timeoutMs: number;
  /** How often it is tried. */
  readonly tries: number;
  readonly backoff: Backoff;
}

/** Posts a notice as JSON: `{"rollout","urgency","subject","text"}`. Throws `webhook-failed`. */
export function createWebhook(settings: WebhookSettings): NoticeWay {
  const { origin } = new URL(settings.url);
  return {
    name: `webhook ${origin}`,
    send: async (notice) => {
      let tried = 0;
      await retry(
        async () => {
          tried += 1;
          await post(settings, origin, notice);
        },
        {
          backoff: settings.backoff,
          // 4xx says that it will not be taken, however often it is sent; 429 is for later.
          isTransient: (error) =>
            tried < settings.tries && !(isAppError(error) && error.details['isFinal'] === true),
          signal: AbortSignal.timeout(
            settings.tries * (settings.timeoutMs + settings.backoff.maximumMs),
          ),
        },
      );
    },
  };
}

async function post(settings: WebhookSettings, origin: string, notice: Notice): Promise<void> {
  const response = await fetch(settings.url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(notice),
    redirect: 'error',
    signal: AbortSignal.timeout(settings.timeoutMs),
  });
  await response.body?.cancel();
  if (!response.ok) {
    const { status } = response;
    throw new AppError('webhook-failed', `The webhook at ${origin} answers ${status}.`, {
      details: { status, isFinal: status < 500 && status !== 429 && status !== 408 },
    });
  }
}
