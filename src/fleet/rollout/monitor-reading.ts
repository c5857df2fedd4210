import { INVARIANTS } from '../plan/invariants.ts';
import type { FleetMoment } from '../plan/moment.ts';
import type { Violation } from '../plan/violation.ts';
import type { NodeSightings } from './node-sightings.ts';
import type { MonitorReading } from './rollout.ts';
import type { RolloutRun } from './rollout-run.ts';
import { unseen } from './unseen.ts';

/** What was seen at one look. */
export interface Look {
  readonly moment: FleetMoment;
  /** Sentences about balancers that have not answered. */
  readonly silent: readonly string[];
  /** What was broken at an earlier look, since a person let the rollout go on. */
  readonly broken: readonly Violation[];
  readonly nodes: Pick<NodeSightings, 'of'>;
}

type Run = Pick<RolloutRun, 'id' | 'sites' | 'loaded'>;

/** Deeds are over by the next look: they stay until somebody has let the rollout go on. */
const DEEDS = ['I9', 'I11', 'I14'];

/** What a rollout's monitor tells everybody: each invariant with what speaks against it, or why nobody can see it. */
export function readingOf(run: Run, look: Look): MonitorReading {
  const { moment, broken } = look;
  const farms = new Set(run.loaded.units.map(({ unit }) => unit.farm));
  // Everything is looked at anew, as if nothing had been there before.
  const before = { ...moment, sites: [], rollouts: [] };
  return {
    at: moment.at,
    invariants: INVARIANTS.map(({ id, sentence, isBroken }) => {
      const now = DEEDS.includes(id) ? [] : isBroken(moment, before);
      const deeds = DEEDS.includes(id) ? broken.filter(({ invariant }) => invariant === id) : [];
      const against = [...now, ...deeds].filter((violation) => concerns(run, violation, moment));
      return {
        name: id,
        sentence,
        violations: [...new Set(against.map((violation) => violation.sentence))],
        unseen: unseen(id, run, look),
      };
    }),
    farms: moment.sites.flatMap((site) =>
      site.farms
        .filter(({ farm }) => farms.has(farm))
        .map(({ farm, maxOut, members }) => {
          const serving = members.filter(({ isServing }) => isServing).length;
          return { farm, serving, out: members.length - serving, maxOut };
        }),
    ),
  };
}

/** Why a rollout is paused. */
export function sentenceOf({ invariant, sentence }: Violation): string {
  return `${invariant}: ${sentence}.`;
}

/** A violation pauses the rollouts of its site; one of a rollout or a unit, that one. */
export function concerns(run: Run, { subject }: Violation, { sites }: FleetMoment): boolean {
  const site = sites.find(
    ({ site: name, farms }) =>
      name === subject ||
      farms.some(
        ({ farm, members }) => farm === subject || members.some(({ node }) => node === subject),
      ),
  );
  return site === undefined
    ? subject === run.id || run.loaded.units.some(({ unit }) => unit.id === subject)
    : run.sites.includes(site.site);
}
