import type { Queries } from '../database/database.ts';
import type { Repository } from '../repository/repository.ts';
import { type EarlierBuild, shownInstead } from '../repository/unchanged-packages.ts';
import type { RequestPublication } from './publish-part.ts';
import { addLeftOut, packagesOfRequest } from './request-packages.ts';

/** More are told with the packages of the request. */
const MOST_TOLD = 3;

/** The packages of a request of which the channel goes on showing an earlier build, for nothing has changed. */
export async function unchangedOf(
  queries: Queries,
  repository: Pick<Repository, 'publicationOfRequest' | 'currentPublication'>,
  publication: RequestPublication,
): Promise<readonly EarlierBuild[]> {
  const { profile, channel, requestId } = publication;
  const shown =
    (await repository.publicationOfRequest(publication)) ??
    (await repository.currentPublication(profile, channel));
  if (shown === undefined) {
    return [];
  }
  const packages = await packagesOfRequest(queries, requestId);
  const taken = packages.filter(({ leftOut }) => leftOut === null).map(({ id }) => id);
  return await shownInstead(queries, shown.snapshotId, taken);
}

/** Says of each of them which build stays. */
export async function noteUnchanged(
  queries: Queries,
  { requestId, channel }: RequestPublication,
  unchanged: readonly EarlierBuild[],
): Promise<void> {
  const reasons = unchanged.map(({ id, shownBuildId }): [string, string] => [
    id,
    `It is unchanged: ${channel} stays with build ${shownBuildId}.`,
  ]);
  await addLeftOut(queries, requestId, new Map(reasons));
}

/** What is said of a request after its own reason: `a/b-1 is unchanged: testing stays with build 3.` */
export function reasonWithUnchanged(
  reason: string | null,
  channel: string,
  unchanged: readonly EarlierBuild[],
): string | null {
  if (unchanged.length === 0) {
    return reason;
  }
  const named = unchanged
    .slice(0, MOST_TOLD)
    .map(({ cpv, shownBuildId }) => `${cpv} (build ${shownBuildId})`);
  const more = unchanged.length - named.length;
  const all = more > 0 ? [...named, `${more} more`] : named;
  const words = [all.slice(0, -1).join(', '), all.at(-1)].filter((text) => text !== '');
  const sentence = `Nothing has changed in what ${channel} shows of ${words.join(' and ')}: it stays.`;
  return [reason, sentence].filter((text) => text !== null).join(' ');
}
