import type { Queries } from '../../database/database.ts';
import type { NodeReportRow, PublicationRow, RolloutStepRow } from '../../database/tables.ts';

/** Rows of one statement. */
const ROWS_AT_ONCE = 1000;

export type EndedStep = Pick<
  RolloutStepRow,
  'unit' | 'step' | 'direction' | 'part' | 'node' | 'outcome'
> & { readonly ended_at: number };

/** Steps of a rollout that have ended since, oldest first. */
export async function stepsEndedSince(
  queries: Queries,
  rollout: string,
  since: number,
): Promise<readonly EndedStep[]> {
  const found: EndedStep[] = [];
  for (;;) {
    const rows = await queries
      .selectFrom('rollout_steps')
      .select(['unit', 'step', 'direction', 'part', 'node', 'outcome', 'ended_at'])
      .where('rollout', '=', rollout)
      .where('ended_at', '>=', since)
      .orderBy('ended_at')
      .orderBy('unit')
      .orderBy('step')
      .orderBy('direction')
      .orderBy('part')
      .orderBy('node')
      .limit(ROWS_AT_ONCE)
      .offset(found.length)
      .execute();
    found.push(...rows.map((row) => ({ ...row, ended_at: row.ended_at ?? since })));
    if (rows.length < ROWS_AT_ONCE) {
      return found;
    }
  }
}

export type ReportSince = Pick<
  NodeReportRow,
  'node' | 'profile' | 'reported_at' | 'php_json' | 'system_json' | 'installed_digest'
>;

/** What nodes have reported since, oldest first. */
export async function reportsSince(
  queries: Queries,
  since: number,
): Promise<readonly ReportSince[]> {
  return await queries
    .selectFrom('node_reports')
    .select(['node', 'profile', 'reported_at', 'php_json', 'system_json', 'installed_digest'])
    .where('reported_at', '>=', since)
    .orderBy('reported_at')
    .orderBy('node')
    .execute();
}

/** How a publication came to its channel; undefined when it is not there any more. */
export async function originOf(
  queries: Queries,
  key: { readonly profile: string; readonly channel: string; readonly serial: number },
): Promise<
  | (Pick<PublicationRow, 'kind' | 'forced_json' | 'snapshot_id'> & { readonly origin: string })
  | undefined
> {
  return await queries
    .selectFrom('publications')
    .innerJoin('snapshots', 'snapshots.id', 'publications.snapshot_id')
    .select(['publications.kind', 'publications.forced_json', 'publications.snapshot_id'])
    .select('snapshots.origin')
    .where('publications.profile', '=', key.profile)
    .where('publications.channel', '=', key.channel)
    .where('publications.serial', '=', key.serial)
    .executeTakeFirst();
}
