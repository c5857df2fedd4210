import { type RequestHandler, Router } from 'express';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { accessRoutes } from './access-routes.ts';
import { agentRoutes } from './agent-routes.ts';
import { apiDocument } from './api-document.ts';
import { blockedRoutes } from './blocked-routes.ts';
import { buildRoutes } from './build-routes.ts';
import { ccacheRoutes } from './ccache-routes.ts';
import { channelRoutes } from './channel-routes.ts';
import { differenceRoute } from './difference-route.ts';
import { fleetRoutes } from './fleet-routes.ts';
import { gateRoute } from './gate-route.ts';
import { impactRoutes } from './impact-routes.ts';
import { journalRoutes } from './journal-routes.ts';
import { keyRoutes } from './key-routes.ts';
import { nodeRoutes } from './node-routes.ts';
import { operationRoutes } from './operation-routes.ts';
import { phpRoutes } from './php-routes.ts';
import { profileRoutes } from './profile-routes.ts';
import { recordRoutes } from './record-routes.ts';
import { repositoryRoutes } from './repository-routes.ts';
import { retentionRoutes } from './retention-routes.ts';
import { rolloutRoutes } from './rollout-routes.ts';
import { type Method, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { scheduleRoutes } from './schedule-routes.ts';
import { steeringRoutes } from './steering-routes.ts';

/** Every route that is answered with data: the API itself, health, and the set-up scripts. */
export function dataRoutes(context: HttpContext): readonly Route[] {
  const routes: Route[] = [
    ...operationRoutes(context),
    ...profileRoutes(context),
    ...channelRoutes(context),
    ...phpRoutes(context),
    ...repositoryRoutes(context),
    ...keyRoutes(context),
    differenceRoute(context),
    gateRoute(context),
    ...buildRoutes(context),
    ...steeringRoutes(context),
    ...recordRoutes(context),
    ...blockedRoutes(context),
    ...scheduleRoutes(context),
    ...agentRoutes(context),
    ...ccacheRoutes(context),
    ...nodeRoutes(context),
    ...impactRoutes(context),
    ...rolloutRoutes(context),
    ...fleetRoutes(context),
    ...retentionRoutes(context),
    ...accessRoutes(context),
    ...journalRoutes(context),
    openRoute({
      method: 'get',
      path: '/openapi.json',
      summary: 'This document',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: 'application/json' },
      handle: async () => ({ status: 200, json: apiDocument(routes, context.publicUrl()) }),
    }),
  ];
  return routes;
}

/** An Express router with these routes; another method on one of their paths is `method-not-allowed`. */
export function apiRouter(context: HttpContext, routes: readonly Route[]): Router {
  const router = Router();
  const { tokens } = context;
  for (const route of routes) {
    router[route.method](route.path, async (request, response) => {
      response.set('Cache-Control', 'no-store');
      await route.run({ request, response, tokens });
    });
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map((route) => route.method);
    router.all(path, refuseMethod(methods));
  }
  return router;
}

function refuseMethod(methods: readonly Method[]): RequestHandler {
  const names = methods.flatMap((method) =>
    method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
  );
  const allow = names.join(', ');
  return (request) => {
    throw new AppError('method-not-allowed', `This path takes ${allow}, not ${request.method}.`, {
      details: { allow },
    });
  };
}
