import {
  type DifferenceView,
  differenceQuerySchema,
  differenceViewSchema,
  readPublicationName,
} from '../../protocol/difference.ts';
import type { PackageRecord } from '../../repository/package-record.ts';
import type { Repository } from '../../repository/repository.ts';
import type { HttpContext } from '../context.ts';
import { requireChannel } from './lookups.ts';
import { NO_BODY, openRoute, type Route } from './route.ts';
import { publicationView } from './views.ts';

export function differenceRoute(context: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: '/api/profiles/:profile/diff',
    summary: 'What is different between two publications of a profile',
    query: differenceQuerySchema,
    body: NO_BODY,
    replies: { 200: differenceViewSchema },
    handle: async ({ params, query: { from, to } }) => {
      const json = await differenceView(context, params('profile'), { from, to });
      return { status: 200, json };
    },
  });
}

/** Throws `unknown-profile`, `unknown-channel`, `unknown-publication`. */
export async function differenceView(
  context: HttpContext,
  profile: string,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<DifferenceView> {
  const [before, after] = [readPublicationName(from), readPublicationName(to)];
  requireChannel(context, profile, before.channel);
  requireChannel(context, profile, after.channel);
  const found = await context.repository.compare({ profile, before, after });
  return {
    profile,
    from: found.before === null ? null : publicationView(found.before),
    to: found.after === null ? null : publicationView(found.after),
    counts: { ...found.counts },
    sizeChange: found.sizeChange,
    changes: found.changes.map(changeView),
  };
}

type Change = Awaited<ReturnType<Repository['compare']>>['changes'][number];

function changeView(change: Change): DifferenceView['changes'][number] {
  const { kind, category, pn, slot, use, sonames, sizeChange } = change;
  return {
    kind,
    name: `${category}/${pn}`,
    slot,
    before: sideOf(change.before),
    after: sideOf(change.after),
    use: { added: [...use.added], removed: [...use.removed] },
    sonames: { added: [...sonames.added], removed: [...sonames.removed] },
    sizeChange,
  };
}

function sideOf(record: PackageRecord | null): DifferenceView['changes'][number]['before'] {
  if (record === null) {
    return null;
  }
  const { id, cpv, buildId, size } = record;
  return { id, cpv, buildId, size };
}
