import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import { digestOf } from '../../support/digests.ts';
import { chunksOf } from '../package-store.ts';
import type { ReportedService, ReportedSystem } from './node-report.ts';

/** The form of `system_json` of a report. */
export const systemSchema: z.ZodType<ReportedSystem> = z.object({
  release: z.string().nullable(),
  releases: z.array(z.object({ release: z.string(), digest: z.string() })),
  kernel: z.object({ running: z.string(), installed: z.array(z.string()) }),
  bootId: z.string(),
  cpuFlags: z.array(z.string()),
  isPartial: z.boolean(),
});

const servicesSchema = z.array(
  z.object({
    name: z.string(),
    tree: z.string().nullable(),
    files: z.array(
      z.object({ path: z.string(), cpv: z.string().nullable(), isDeleted: z.boolean() }),
    ),
  }),
);

/** Keeps what a node runs, unless it is kept already. Returns its digest. */
export async function keepServices(
  queries: Queries,
  services: readonly ReportedService[],
): Promise<string> {
  const text = JSON.stringify(services);
  const digest = digestOf('sha256', text);
  await queries
    .insertInto('node_services')
    .values({ digest, services_json: text })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .execute();
  return digest;
}

/** What no report names any more goes. */
export async function removeUnusedServices(queries: Queries): Promise<void> {
  await queries
    .deleteFrom('node_services')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('node_reports')
            .select('node')
            .whereRef('node_reports.services_digest', '=', 'node_services.digest'),
        ),
      ),
    )
    .execute();
}

/** By digest; one that is not there any more is left out. */
export async function servicesOf(
  queries: Queries,
  digests: readonly string[],
): Promise<ReadonlyMap<string, readonly ReportedService[]>> {
  const found = new Map<string, readonly ReportedService[]>();
  for (const chunk of chunksOf(digests)) {
    const rows = await queries
      .selectFrom('node_services')
      .selectAll()
      .where('digest', 'in', chunk)
      .execute();
    for (const row of rows) {
      found.set(row.digest, servicesSchema.parse(JSON.parse(row.services_json)));
    }
  }
  return found;
}

/** What a node runs, by the profile that it has reported about; without those of which it has not said it. */
export async function servicesOfNode(
  queries: Queries,
  node: string,
): Promise<ReadonlyMap<string, readonly ReportedService[]>> {
  const rows = await queries
    .selectFrom('node_reports')
    .select(['profile', 'services_digest'])
    .where('node', '=', node)
    .execute();
  const known = await servicesOf(
    queries,
    rows.flatMap(({ services_digest: digest }) => digest ?? []),
  );
  return new Map(
    rows.flatMap(({ profile, services_digest: digest }) => {
      const services = known.get(digest ?? '');
      return services === undefined ? [] : [[profile, services]];
    }),
  );
}
