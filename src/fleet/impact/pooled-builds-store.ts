import type { Queries } from '../../database/database.ts';
import { chunksOf } from '../../repository/package-store.ts';

/** The builds that a profile has of these CPVs. */
export async function buildsWithCpvs(
  queries: Queries,
  profile: string,
  cpvs: readonly string[],
): Promise<{ readonly id: string; readonly cpv: string }[]> {
  const builds: { readonly id: string; readonly cpv: string }[] = [];
  for (const chunk of chunksOf(cpvs)) {
    builds.push(
      ...(await queries
        .selectFrom('packages')
        .select(['id', 'cpv'])
        .where('profile', '=', profile)
        .where('cpv', 'in', chunk)
        .execute()),
    );
  }
  return builds;
}
