import { type BaseSystem, NO_BASE_SYSTEM } from '../../gentoo/base-system.ts';
import { sonamesIn } from '../../gentoo/soname-list.ts';
import { reportedInstalled } from '../proof/node-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { buildsAmong } from './gate-store.ts';

/** Reports that are older than this say nothing about today's nodes. */
const REPORTED_WITHIN_MS = 30 * 24 * 3_600_000;

/** What every node that has reported of late has installed, beside what this repository has given it. */
export async function reportedBaseSystem(
  { database, clock }: Pick<RepositoryContext, 'database' | 'clock'>,
  profile: string,
): Promise<BaseSystem> {
  const since = clock.now() - REPORTED_WITHIN_MS;
  const nodes = await reportedInstalled(database, profile, since);
  const [first, ...others] = nodes;
  if (first === undefined) {
    return NO_BASE_SYSTEM;
  }
  const isOn = others.map((packages) => new Set(packages.map(nameOf)));
  const onAll = first.filter((one) => isOn.every((names) => names.has(nameOf(one))));
  const ours = await buildsAmong(
    database,
    profile,
    onAll.map(({ cpv }) => cpv),
  );
  const common = onAll.filter(({ cpv, buildId }) => !ours.has(`${cpv} ${buildId}`));
  return {
    packages: common.map(({ cpv, slot, use }) => ({
      cpv,
      slot,
      use: use.split(' ').filter((flag) => flag !== ''),
    })),
    sonames: common.flatMap(({ provides }) => sonamesIn(provides)),
  };
}

function nameOf({ cpv, slot }: { readonly cpv: string; readonly slot: string }): string {
  return `${cpv}:${slot}`;
}
