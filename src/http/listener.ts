import { setMaxListeners } from 'node:events';
import type { RequestListener } from 'node:http';
import { createApp } from './app.ts';
import type { HttpContext } from './context.ts';
import { assignRequestId } from './request-id.ts';
import { logExchange } from './request-log.ts';
import { createStaticHandler } from './static/static-handler.ts';

/**
 * Answers every request of the server: the served trees by the static handler, before Express is asked at all;
 * the API and the pages by Express.
 */
export function createRequestListener(context: HttpContext): RequestListener {
  setMaxListeners(0, context.stopping);
  const files = createStaticHandler(context);
  const app = createApp(context);
  return (request, response) => {
    const requestId = assignRequestId(response);
    const isFile = files.handles(request.url ?? '');
    logExchange(context, { request, response, requestId, isFile });
    if (context.stopping.aborted) {
      response.setHeader('Connection', 'close');
    }
    if (isFile) {
      void files.handle(request, response);
      return;
    }
    app(request, response);
  };
}
