import * as z from 'zod';
import type { HttpContext } from '../context.ts';
import { METRICS_TYPE, renderMetrics } from '../metrics.ts';
import { sendSetupScript } from '../setup-script.ts';
import { NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

export const healthSchema = z.object({ status: z.literal('ok') });
export const readinessSchema = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });

/** What monitors and new nodes ask for. */
export function operationRoutes(context: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/healthz',
      summary: 'Whether the server is alive',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: healthSchema },
      handle: async () => ({ status: 200, json: { status: 'ok' } }),
    }),
    openRoute({
      method: 'get',
      path: '/readyz',
      summary: 'Whether the server can do its work, and if not, why',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: readinessSchema, 503: readinessSchema },
      handle: async () => {
        const reasons = await context.readiness();
        const ready = reasons.length === 0;
        return { status: ready ? 200 : 503, json: { ready, reasons } };
      },
    }),
    openRoute({
      method: 'get',
      path: '/metrics',
      summary: 'Numbers for a monitor, in the text format of Prometheus',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: METRICS_TYPE },
      handle: async ({ response }) => {
        const text = await renderMetrics(context);
        response.set('Content-Type', METRICS_TYPE).end(text);
        return undefined;
      },
    }),
    openRoute({
      method: 'get',
      path: '/setup/:profile/:channel.sh',
      summary: 'The script that sets up a client of a channel',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: 'text/x-shellscript' },
      handle: async ({ params, request, response }) => {
        sendSetupScript(
          context,
          { request, response },
          {
            profile: params('profile'),
            channel: params('channel'),
          },
        );
        return undefined;
      },
    }),
  ];
}
