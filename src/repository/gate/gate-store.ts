import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import { chunksOf } from '../package-store.ts';
import type { ChannelKey } from '../publication-store.ts';
import type { Finding } from './finding.ts';
import { AtomReader, type GatePackage, readGatePackage } from './gate-package.ts';

const metadataSchema = z.record(z.string(), z.string());

/** The packages with these ids, some hundred at a time. */
export async function* gatePackages(
  queries: Queries,
  ids: readonly string[],
): AsyncGenerator<readonly GatePackage[]> {
  const atoms = new AtomReader();
  for (const chunk of chunksOf(ids)) {
    const rows = await queries
      .selectFrom('packages')
      .select([
        'id',
        'cpv',
        'path',
        'size',
        'mtime_seconds',
        'build_id',
        'key_fingerprint',
        'metadata_json',
      ])
      .where('id', 'in', chunk)
      .execute();
    yield rows.map((row) =>
      readGatePackage(
        {
          id: row.id,
          cpv: row.cpv,
          metadata: metadataSchema.parse(JSON.parse(row.metadata_json)),
          file: {
            path: row.path,
            size: row.size,
            mtimeSeconds: row.mtime_seconds,
            buildId: row.build_id,
            keyFingerprint: row.key_fingerprint,
          },
        },
        atoms,
      ),
    );
  }
}

/** Which builds of these CPVs a profile has: `<cpv> <build id>`. */
export async function buildsAmong(
  queries: Queries,
  profile: string,
  cpvs: readonly string[],
): Promise<ReadonlySet<string>> {
  const builds = new Set<string>();
  for (const chunk of chunksOf(cpvs)) {
    const rows = await queries
      .selectFrom('packages')
      .select(['cpv', 'build_id'])
      .where('profile', '=', profile)
      .where('cpv', 'in', chunk)
      .execute();
    for (const row of rows) {
      builds.add(`${row.cpv} ${row.build_id}`);
    }
  }
  return builds;
}

/** A finding that an administrator has let pass, with the publication that it was let pass for. */
export interface Allowance {
  readonly serial: number;
  readonly findingId: string;
  readonly kind: string;
  readonly message: string;
  /** Of the one who allowed it first. */
  readonly author: string;
  readonly reason: string;
  readonly createdAt: number;
}

export async function insertAllowances(
  queries: Queries,
  key: ChannelKey & { readonly serial: number },
  allowances: readonly Omit<Allowance, 'serial'>[],
): Promise<void> {
  for (const one of allowances) {
    await queries
      .insertInto('allowances')
      .values({
        profile: key.profile,
        channel: key.channel,
        serial: key.serial,
        finding_id: one.findingId,
        kind: one.kind,
        message: one.message,
        author: one.author,
        reason: one.reason,
        created_at: one.createdAt,
      })
      .execute();
  }
}

/** What was allowed for a publication, by kind and message. */
export async function allowancesOf(
  queries: Queries,
  key: ChannelKey & { readonly serial: number },
): Promise<Allowance[]> {
  const rows = await queries
    .selectFrom('allowances')
    .selectAll()
    .where('profile', '=', key.profile)
    .where('channel', '=', key.channel)
    .where('serial', '=', key.serial)
    .orderBy('kind')
    .orderBy('message')
    .execute();
  return rows.map((row) => ({
    serial: row.serial,
    findingId: row.finding_id,
    kind: row.kind,
    message: row.message,
    author: row.author,
    reason: row.reason,
    createdAt: row.created_at,
  }));
}

/** The allowance that a finding becomes. */
export function allowanceOf(
  { id, kind, message }: Finding,
  by: Pick<Allowance, 'author' | 'reason' | 'createdAt'>,
): Omit<Allowance, 'serial'> {
  return { ...by, findingId: id, kind, message };
}
