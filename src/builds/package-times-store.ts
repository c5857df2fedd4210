import * as z from 'zod';
import type { Queries } from '../database/database.ts';
import type { PackageTimesRow } from '../database/tables.ts';
import { addTime, type KnownTimes } from './build-time.ts';

const timesSchema = z.array(z.number());
/** Variables of one statement. */
const NAMES_AT_ONCE = 1000;
/** So many of the newest times stand for a category, or for all. */
const SAMPLE = 500;

/** What one successful build took. */
export interface MeasuredRun {
  readonly runMs: number;
  readonly silenceMs: number;
  readonly logBytes: number;
  readonly diskBytes: number;
}

/** The plans of a profile, among its packages. */
export const PLAN = 'plan';

export async function findTimes(
  queries: Queries,
  profile: string,
  name: string,
): Promise<PackageTimesRow | undefined> {
  return await queries
    .selectFrom('package_times')
    .selectAll()
    .where('profile', '=', profile)
    .where('package', '=', name)
    .executeTakeFirst();
}

/** Of a package that was never built. */
const NEVER = {
  recent_json: '[]',
  runs: 0,
  longest_ms: 0,
  longest_silence_ms: 0,
  largest_log_bytes: 0,
  largest_disk_bytes: 0,
};

/** Adds what a build took: its time to the newest ones, and of each measure the most. */
export async function recordRun(
  queries: Queries,
  of: { readonly profile: string; readonly package: string; readonly now: number },
  run: MeasuredRun,
): Promise<void> {
  const known = (await findTimes(queries, of.profile, of.package)) ?? NEVER;
  const runMs = Math.round(run.runMs);
  const { recent, typicalMs } = addTime(timesSchema.parse(JSON.parse(known.recent_json)), runMs);
  const change = {
    category: of.package === PLAN ? '' : categoryOf(of.package),
    recent_json: JSON.stringify(recent),
    typical_ms: typicalMs,
    measured_at: of.now,
    runs: known.runs + 1,
    longest_ms: Math.max(known.longest_ms, runMs),
    longest_silence_ms: Math.max(known.longest_silence_ms, Math.round(run.silenceMs)),
    largest_log_bytes: Math.max(known.largest_log_bytes, run.logBytes),
    largest_disk_bytes: Math.max(known.largest_disk_bytes, run.diskBytes),
  };
  await queries
    .insertInto('package_times')
    .values({
      profile: of.profile,
      package: of.package,
      ...change,
    })
    .onConflict((conflict) => conflict.columns(['profile', 'package']).doUpdateSet(change))
    .execute();
}

/** What is known of these packages (category/name), seen from this profile. */
export async function knownTimes(
  queries: Queries,
  profile: string,
  names: readonly string[],
): Promise<KnownTimes> {
  const own = new Map<string, number>();
  const others = new Map<string, number[]>();
  for (let start = 0; start < names.length; start += NAMES_AT_ONCE) {
    const rows = await queries
      .selectFrom('package_times')
      .select(['profile', 'package', 'typical_ms'])
      .where('package', 'in', names.slice(start, start + NAMES_AT_ONCE))
      .where('typical_ms', 'is not', null)
      .$narrowType<{ typical_ms: number }>()
      .execute();
    for (const row of rows) {
      if (row.profile === profile) {
        own.set(row.package, row.typical_ms);
      } else {
        others.set(row.package, [...(others.get(row.package) ?? []), row.typical_ms]);
      }
    }
  }
  const unknown = names.filter((name) => !own.has(name) && !others.has(name));
  return { own, others, ...(await samplesFor(queries, unknown)) };
}

async function samplesFor(
  queries: Queries,
  unknown: readonly string[],
): Promise<Pick<KnownTimes, 'byCategory' | 'overall'>> {
  const byCategory = new Map<string, readonly number[]>();
  for (const category of new Set(unknown.map(categoryOf))) {
    byCategory.set(category, await newestTimes(queries, category));
  }
  return { byCategory, overall: unknown.length === 0 ? [] : await newestTimes(queries) };
}

/** The usual times of the packages that were built last, of one category or of all. */
async function newestTimes(queries: Queries, category?: string): Promise<number[]> {
  const rows = await queries
    .selectFrom('package_times')
    .select('typical_ms')
    .where('category', category === undefined ? '!=' : '=', category ?? '')
    .where('typical_ms', 'is not', null)
    .orderBy('measured_at', 'desc')
    .limit(SAMPLE)
    .execute();
  return rows.flatMap(({ typical_ms }) => typical_ms ?? []);
}

function categoryOf(name: string): string {
  return name.split('/')[0] ?? '';
}
