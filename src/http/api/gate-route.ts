import { readPublicationName } from '../../protocol/difference.ts';
import { checkQuerySchema, type GateView, gateViewSchema } from '../../protocol/gate.ts';
import type { Repository } from '../../repository/repository.ts';
import type { HttpContext } from '../context.ts';
import { requireChannel } from './lookups.ts';
import { NO_BODY, openRoute, type Route } from './route.ts';

export function gateRoute(context: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: '/api/profiles/:profile/channels/:channel/check',
    summary: 'What speaks against publishing these contents on a channel',
    query: checkQuerySchema,
    body: NO_BODY,
    replies: { 200: gateViewSchema },
    handle: async ({ params, query: { contents } }) => {
      const [profile, channel] = [params('profile'), params('channel')];
      requireChannel(context, profile, channel);
      const isPublication = contents !== undefined && contents !== 'newest';
      const found = await context.repository.check({
        profile,
        channel,
        contents: isPublication ? readPublicationName(contents) : contents,
      });
      return { status: 200, json: gateView(found) };
    },
  });
}

function gateView({ findings, rebuild }: Awaited<ReturnType<Repository['check']>>): GateView {
  return { findings: findings.map((finding) => ({ ...finding })), rebuild: [...rebuild] };
}
