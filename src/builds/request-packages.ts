import type { Queries } from '../database/database.ts';
import { slotKey } from '../repository/snapshot-contents.ts';

export async function addPackages(
  queries: Queries,
  requestId: string,
  packages: readonly { readonly id: string; readonly how: 'built' | 'reused' }[],
): Promise<void> {
  for (const { id, how } of packages) {
    await queries
      .insertInto('request_packages')
      .values({ request_id: requestId, package_id: id, how, left_out: null })
      .onConflict((conflict) => conflict.columns(['request_id', 'package_id']).doUpdateSet({ how }))
      .execute();
  }
}

/** In the order of their CPVs. */
export async function packagesOfRequest(
  queries: Queries,
  requestId: string,
): Promise<
  {
    readonly id: string;
    readonly cpv: string;
    readonly buildId: number;
    readonly how: 'built' | 'reused';
    readonly leftOut: string | null;
  }[]
> {
  return await queries
    .selectFrom('request_packages')
    .innerJoin('packages', 'packages.id', 'request_packages.package_id')
    .select(['request_packages.package_id as id', 'packages.cpv', 'request_packages.how'])
    .select(['request_packages.left_out as leftOut', 'packages.build_id as buildId'])
    .where('request_packages.request_id', '=', requestId)
    .orderBy('packages.cpv')
    .orderBy('packages.build_id')
    .execute();
}

/** Writes down what is left out of what is published, and nothing else is. Reasons by package id. */
export async function noteLeftOut(
  queries: Queries,
  requestId: string,
  reasons: ReadonlyMap<string, string>,
): Promise<void> {
  await queries
    .updateTable('request_packages')
    .set({ left_out: null })
    .where('request_id', '=', requestId)
    .where('left_out', 'is not', null)
    .execute();
  await addLeftOut(queries, requestId, reasons);
}

/** Writes down that these are left out, too. */
export async function addLeftOut(
  queries: Queries,
  requestId: string,
  reasons: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [id, reason] of reasons) {
    await queries
      .updateTable('request_packages')
      .set({ left_out: reason })
      .where('request_id', '=', requestId)
      .where('package_id', '=', id)
      .execute();
  }
}

/** Notes what a job has built. What the request had of that name and slot is published no more, if it is a rebuild. */
export async function addBuilt(
  queries: Queries,
  job: { readonly request_id: string; readonly package_id: string; readonly isRebuild: boolean },
): Promise<void> {
  const { request_id: requestId, package_id: id, isRebuild } = job;
  const slots = isRebuild ? await slotsOfRequest(queries, requestId, [id]) : [];
  const slot = slots.find((one) => one.id === id)?.slot;
  const replaced = slots.filter((one) => one.slot === slot && one.id !== id);
  for (const one of replaced) {
    await queries
      .deleteFrom('request_packages')
      .where('request_id', '=', requestId)
      .where('package_id', '=', one.id)
      .execute();
  }
  await addPackages(queries, requestId, [{ id, how: 'built' }]);
}

/** Notes what a plan takes as it is, but for what the request has of that name and slot already. */
export async function addReused(
  queries: Queries,
  requestId: string,
  ids: readonly string[],
): Promise<void> {
  const before = await packagesOfRequest(queries, requestId);
  const has = new Set(before.map(({ id }) => id));
  const slots = before.length === 0 ? [] : await slotsOfRequest(queries, requestId, ids);
  const taken = new Set(slots.filter(({ id }) => has.has(id)).map(({ slot }) => slot));
  const slotOf = new Map(slots.map(({ id, slot }) => [id, slot]));
  const fresh = ids.filter((id) => !has.has(id) && !taken.has(slotOf.get(id) ?? ''));
  await addPackages(
    queries,
    requestId,
    fresh.map((id) => ({ id, how: 'reused' })),
  );
}

/** SQLite takes 32,766 variables. */
const IDS_AT_ONCE = 1000;

/** What the packages of a request, and these others, are: category/pn:slot. */
async function slotsOfRequest(
  queries: Queries,
  requestId: string,
  others: readonly string[],
): Promise<{ readonly id: string; readonly slot: string }[]> {
  const rows = await queries
    .selectFrom('request_packages')
    .innerJoin('packages', 'packages.id', 'request_packages.package_id')
    .select(['packages.id', 'packages.category', 'packages.pn', 'packages.slot'])
    .where('request_packages.request_id', '=', requestId)
    .execute();
  for (let start = 0; start < others.length; start += IDS_AT_ONCE) {
    const more = await queries
      .selectFrom('packages')
      .select(['id', 'category', 'pn', 'slot'])
      .where('id', 'in', others.slice(start, start + IDS_AT_ONCE))
      .execute();
    rows.push(...more);
  }
  return rows.map((row) => ({ id: row.id, slot: slotKey(row) }));
}
