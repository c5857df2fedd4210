import { type Kysely, sql } from 'kysely';
import { digestOf } from '../../support/digests.ts';
import { cutRuns } from '../../support/runs.ts';
import type { Tables } from '../tables.ts';

/** A snapshot becomes a list of blocks, so that a new one costs what changed: docs/decisions/0009. */
export const name = '0002-snapshot-blocks';

export const statements: readonly (string | typeof cutSnapshots)[] = [
  `create table blocks (
    id text primary key,
    package_count bigint not null,
    last_cpv text not null,
    last_build_id bigint not null,
    categories text not null
  )`,
  `create table snapshot_blocks (
    snapshot_id text not null references snapshots (id),
    position bigint not null,
    block_id text not null references blocks (id),
    primary key (snapshot_id, position)
  )`,
  'create index snapshot_blocks_by_block on snapshot_blocks (block_id, snapshot_id)',
  `create table block_packages (
    block_id text not null references blocks (id),
    position bigint not null,
    package_id text not null references packages (id),
    primary key (block_id, position)
  )`,
  'create index block_packages_by_package on block_packages (package_id, block_id)',
  `create table block_texts (
    block_id text not null references blocks (id),
    inherited text not null,
    sha256 text not null,
    packed_sha256 text not null,
    primary key (block_id, inherited)
  )`,
  `create table newest_packages (
    profile text not null,
    category text not null,
    pn text not null,
    slot text not null,
    package_id text not null,
    revision bigint not null,
    primary key (profile, category, pn, slot)
  )`,
  'create index newest_packages_by_revision on newest_packages (profile, revision)',
  `create table newest_views (
    profile text primary key,
    package_count bigint not null,
    snapshot_id text,
    snapshot_revision bigint not null
  )`,
  'create index packages_by_name on packages (profile, pn, category)',
  'create index publications_by_snapshot on publications (profile, snapshot_id, created_at)',
  cutSnapshots,
  'drop table snapshot_packages',
];

interface Member {
  readonly id: string;
  readonly category: string;
  readonly cpv: string;
  readonly build_id: number;
}

/** Snapshots keep their ids: those stand in the journal. */
async function cutSnapshots(transaction: Kysely<Tables>): Promise<void> {
  const snapshots = await transaction.selectFrom('snapshots').select('id').execute();
  for (const snapshot of snapshots) {
    const { rows } = await sql<Member>`select packages.id, category, cpv, build_id
      from snapshot_packages join packages on packages.id = package_id
      where snapshot_id = ${snapshot.id}`.execute(transaction);
    const sorted = rows.toSorted(
      (a, b) => Number(a.cpv > b.cpv) - Number(a.cpv < b.cpv) || a.build_id - b.build_id,
    );
    for (const [position, run] of cutRuns(sorted, ({ cpv }) => cpv).entries()) {
      const block_id = await ensureBlock(transaction, run);
      await transaction
        .insertInto('snapshot_blocks')
        .values({ snapshot_id: snapshot.id, position, block_id })
        .execute();
    }
  }
}

async function ensureBlock(transaction: Kysely<Tables>, run: readonly Member[]): Promise<string> {
  const id = `block-${digestOf('sha256', run.map((one) => one.id).join('\n')).slice(0, 32)}`;
  const last = run.at(-1);
  const made = await transaction
    .insertInto('blocks')
    .values({
      id,
      package_count: run.length,
      last_cpv: last?.cpv ?? '',
      last_build_id: last?.build_id ?? 0,
      categories: [...new Set(run.map(({ category }) => category))].join(' '),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .executeTakeFirst();
  for (const [position, one] of made === undefined ? [] : run.entries()) {
    await transaction
      .insertInto('block_packages')
      .values({ block_id: id, position, package_id: one.id })
      .execute();
  }
  return id;
}
