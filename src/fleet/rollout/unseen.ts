import { type FarmMoment, isDark, type MemberMoment, servingMembers } from '../plan/moment.ts';
import type { Look } from './monitor-reading.ts';
import type { NodeSighting } from './node-sightings.ts';
import type { RolloutRun } from './rollout-run.ts';

type Run = Pick<RolloutRun, 'id' | 'sites'>;

/** Why nobody can tell whether an invariant holds for the sites of a rollout, a sentence; null: it was looked at. */
export function unseen(invariant: string, run: Run, look: Look): string | null {
  return WAYS[invariant]?.(run, look) ?? null;
}

type Way = (run: Run, look: Look) => string | null;

const WAYS: Readonly<Record<string, Way>> = {
  I1: silentBalancer,
  I2: silentBalancer,
  I3: silentBalancer,
  I4: unknownRelease,
  I5: unknownRelease,
  I6: (run, look) =>
    unknownRelease(run, look) ?? unknownOf(servingOf(run, look), look, ['tree', 'which PHP tree']),
  I7: (run, { moment }) =>
    moment.rollouts.find(({ id }) => id === run.id)?.isProven === null
      ? 'What it brings needs no proof of preproduction, or nobody keeps one of it.'
      : null,
  I15: (run, look) =>
    unknownOf(
      farmsOf(run, look).flatMap(({ members }) => members),
      look,
      ['lacks', 'what its PHP trees need, and what provides it'],
    ),
};

function silentBalancer(_: Run, { silent }: Look): string | null {
  return silent[0] ?? null;
}

function unknownRelease(run: Run, look: Look): string | null {
  return (
    silentBalancer(run, look) ?? unknownOf(servingOf(run, look), look, ['release', 'which release'])
  );
}

function farmsOf(run: Run, { moment }: Look): readonly FarmMoment[] {
  return moment.sites.filter(({ site }) => run.sites.includes(site)).flatMap((site) => site.farms);
}

function servingOf(run: Run, look: Look): readonly MemberMoment[] {
  return farmsOf(run, look)
    .filter((farm) => !isDark(farm))
    .flatMap(servingMembers);
}

function unknownOf(
  members: readonly MemberMoment[],
  { nodes }: Look,
  [key, what]: readonly [key: keyof NodeSighting, what: string],
): string | null {
  const silent = members.filter(({ node }) => nodes.of(node)[key].value === undefined);
  const [first] = silent;
  if (first === undefined) {
    return null;
  }
  const more = silent.length - 1;
  const who = more === 0 ? `${first.node} has` : `${first.node} and ${more} more have`;
  const verb = key === 'lacks' ? '' : more === 0 ? ' it serves' : ' they serve';
  return `${who} not said ${what}${verb}.`;
}
