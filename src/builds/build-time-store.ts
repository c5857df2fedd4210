import { z } from 'zod';
import type { Queries } from '../database/database.ts';
import { addTime, type KnownTimes } from './build-time.ts';

const timesSchema = z.array(z.number());
/** Variables of one statement. */
const NAMES_AT_ONCE = 1000;
/** So many of the newest times stand for a category, or for all. */
const SAMPLE = 500;

/** Adds how long a build took. */
export async function recordTime(
  queries: Queries,
  time: {
    readonly profile: string;
    readonly package: string;
    readonly ms: number;
    readonly now: number;
  },
): Promise<void> {
  const known = await queries
    .selectFrom('build_times')
    .select('recent_json')
    .where('profile', '=', time.profile)
    .where('package', '=', time.package)
    .executeTakeFirst();
  const before = known === undefined ? [] : timesSchema.parse(JSON.parse(known.recent_json));
  const { recent, typicalMs } = addTime(before, time.ms);
  const change = {
    recent_json: JSON.stringify(recent),
    typical_ms: typicalMs,
    measured_at: time.now,
  };
  await queries
    .insertInto('build_times')
    .values({
      profile: time.profile,
      package: time.package,
      category: categoryOf(time.package),
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
      .selectFrom('build_times')
      .select(['profile', 'package', 'typical_ms'])
      .where('package', 'in', names.slice(start, start + NAMES_AT_ONCE))
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
    const rows = await queries
      .selectFrom('build_times')
      .select('typical_ms')
      .where('category', '=', category)
      .orderBy('measured_at', 'desc')
      .limit(SAMPLE)
      .execute();
    byCategory.set(
      category,
      rows.map(({ typical_ms }) => typical_ms),
    );
  }
  const newest =
    unknown.length === 0
      ? []
      : await queries
          .selectFrom('build_times')
          .select('typical_ms')
          .orderBy('measured_at', 'desc')
          .limit(SAMPLE)
          .execute();
  return { byCategory, overall: newest.map(({ typical_ms }) => typical_ms) };
}

function categoryOf(name: string): string {
  return name.split('/')[0] ?? '';
}
