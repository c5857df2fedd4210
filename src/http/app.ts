import express, { type ErrorRequestHandler, type Express } from 'express';
import helmet from 'helmet';
import { AppError } from '../support/errors.ts';
import { apiRouter, dataRoutes } from './api/api-router.ts';
import type { HttpContext } from './context.ts';
import { respondWithError } from './error-response.ts';
import { openAssets } from './web/assets.ts';
import { pageRouter } from './web/page-router.ts';
import { respondWithErrorPage } from './web/pages/error-page.ts';

/** The API and the pages as an Express application. */
export function createApp(context: HttpContext): Express {
  const assets = openAssets();
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(securityHeaders());
  app.use(assets.router);
  app.use(apiRouter(context, dataRoutes(context)));
  app.use(pageRouter(context, assets));
  app.use((request) => {
    throw new AppError('route-not-found', `There is nothing at ${request.path.slice(0, 200)}.`);
  });
  app.use(errorHandler(context, assets));
  return app;
}

/** Nothing is loaded from elsewhere, no script or style stands in a page, nobody frames it. */
function securityHeaders(): ReturnType<typeof helmet> {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
  });
}

function errorHandler(
  context: HttpContext,
  assets: ReturnType<typeof openAssets>,
): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const exchange = { request, response, log: context.log };
    const wantsPage =
      !request.path.startsWith('/api/') && request.accepts(['json', 'html']) === 'html';
    if (wantsPage && !response.headersSent) {
      respondWithErrorPage(exchange, assets, error);
      return;
    }
    respondWithError(exchange, error);
  };
}
