import type { Impact } from '../../fleet/impact/impact.ts';
import {
  type ImpactBody,
  type ImpactList,
  impactBodySchema,
  impactListSchema,
  readTarget,
} from '../../protocol/impact.ts';
import type { HttpContext } from '../context.ts';
import { NO_QUERY, openRoute, type Route } from './route.ts';

/** Names of many nodes are long. */
const BODY_BYTES = 8 * 1024 * 1024;

/** What an upgrade would do, before anything is merged. */
export function impactRoutes(context: Pick<HttpContext, 'impacts'>): readonly Route[] {
  return [
    openRoute({
      method: 'post',
      path: '/api/fleet/impact',
      summary: 'What publications would do to nodes, package by package, with the reasons',
      query: NO_QUERY,
      body: impactBodySchema,
      maxBodyBytes: BODY_BYTES,
      replies: { 200: impactListSchema },
      handle: async ({ body }) => ({ status: 200, json: await impactList(context, body) }),
    }),
  ];
}

/** Throws what `FleetImpacts.of` does. */
export async function impactList(
  { impacts }: Pick<HttpContext, 'impacts'>,
  { targets, nodes = [] }: ImpactBody,
): Promise<ImpactList> {
  const found = await impacts.of({ targets: targets.map(readTarget), nodes });
  return { impacts: found.map(impactView) };
}

function impactView(impact: Impact): ImpactList['impacts'][number] {
  const { nodes, to, packages, restarts, ...rest } = impact;
  return {
    ...rest,
    nodes: [...nodes],
    to: { ...to },
    packages: packages.map((one) => ({ ...one, reasons: [...one.reasons] })),
    restarts: [...restarts],
  };
}
