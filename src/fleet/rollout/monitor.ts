import { messageOf } from '../../support/errors.ts';
import type { Site } from '../inventory/inventory.ts';
import { INVARIANTS, violations } from '../plan/invariants.ts';
import type { BegunUnit, FleetMoment, RolloutMoment, SiteMoment } from '../plan/moment.ts';
import type { Violation } from '../plan/violation.ts';
import { heldNodes, wishesToBeOut } from './fleet-store.ts';
import { siteMoment } from './live-moment.ts';
import type { Readings } from './readings.ts';
import type { MonitorReading } from './rollout.ts';
import type { EngineContext } from './rollout-context.ts';
import type { RolloutRun } from './rollout-run.ts';
import { isOpen } from './windows.ts';

/** Looks at the fleet while rollouts run, with eyes of its own: what breaks an invariant pauses them. */
export class Monitor {
  readonly #context: EngineContext;
  readonly #readings: Readings;
  readonly #runs: () => readonly RolloutRun[];
  readonly #sites = new Map<string, SiteMoment>();
  #last: FleetMoment | null = null;

  constructor(context: EngineContext, readings: Readings, runs: () => readonly RolloutRun[]) {
    this.#context = context;
    this.#readings = readings;
    this.#runs = runs;
  }

  /** Looks again and again, until the signal. */
  async work(signal: AbortSignal): Promise<void> {
    const { time, settings, log } = this.#context;
    while (!signal.aborted) {
      try {
        await this.look();
      } catch (error) {
        if (!signal.aborted) {
          log.warn(
            { error: messageOf(error) },
            'the invariants of rollouts cannot be looked at now',
          );
        }
      }
      await time.sleep(settings.watchMs, signal);
    }
  }

  async look(): Promise<void> {
    const runs = this.#runs();
    if (runs.length === 0) {
      this.#last = null;
      return;
    }
    const moment = await this.#moment(runs);
    const broken = violations(moment, this.#last);
    this.#last = moment;
    await Promise.all(
      runs.map(async (run) => {
        const own = broken.find((violation) => concerns(run, violation, moment));
        if (own !== undefined) {
          await run.scene.ledger.write({ pause: `${own.invariant}: ${own.sentence}.` });
        }
      }),
    );
  }

  /** Undefined before the first look. */
  reading(id: string): MonitorReading | undefined {
    const moment = this.#last;
    const run = this.#runs().find((one) => one.id === id);
    if (moment === null || run === undefined) {
      return undefined;
    }
    const farms = new Set(run.loaded.units.map(({ unit }) => unit.farm));
    // Everything about sites is looked at anew, as if nothing had been there before.
    const before = { ...moment, sites: [] };
    return {
      at: moment.at,
      invariants: INVARIANTS.map(({ id: name, sentence, isBroken }) => ({
        name,
        sentence,
        violations: isBroken(moment, before).map((violation) => violation.sentence),
      })),
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

  async #moment(runs: readonly RolloutRun[]): Promise<FleetMoment> {
    const { database, inventory, time } = this.#context;
    const recorded = await inventory();
    const names = new Set(runs.flatMap(({ sites }) => sites));
    const sites = recorded.inventory.sites.filter(({ name }) => names.has(name));
    const readings = await Promise.all(
      sites.map(async (site) => ({ site, reading: await this.#readings.of(site) })),
    );
    const wishes = new Map((await wishesToBeOut(database)).map((row) => [row.server, row]));
    const held = new Map((await heldNodes(database)).map(({ node, because }) => [node, because]));
    const known = { wishes, held, owners: ownersOf(runs) };
    const at = time.now();
    const begun = runs.flatMap((run) => begunOf(run, sites));
    return {
      at,
      sites: readings.map(({ site, reading }) => {
        const now = siteMoment(site, reading, known, this.#sites.get(site.name));
        this.#sites.set(site.name, now);
        return now;
      }),
      rollouts: runs.map((run) => this.#rolloutMoment(run)),
      // What stood when they began is not known at the first look.
      begun: this.#last === null ? [] : begun,
      ran: [],
      visits: [],
      releases: [],
    };
  }

  #rolloutMoment(run: RolloutRun): RolloutMoment {
    const { plan } = run.loaded;
    return {
      id: run.id,
      plan,
      state: run.state,
      approved: [],
      isProven: null,
      failed: run.failed,
      touched: run.loaded.touched.all,
    };
  }
}

function ownersOf(runs: readonly RolloutRun[]): ReadonlyMap<string, readonly string[]> {
  const owners = new Map<string, string[]>();
  for (const run of runs) {
    for (const node of [...run.underWay].flatMap(({ unit }) => unit.nodes)) {
      owners.set(node, [...new Set([...(owners.get(node) ?? []), run.id])]);
    }
  }
  return owners;
}

function begunOf(run: RolloutRun, sites: readonly Site[]): readonly BegunUnit[] {
  return run.takeBegun().map(({ unit, startedAt, effect }): BegunUnit => {
    const site = sites.find(({ name }) => name === unit.site);
    const obeys = run.loaded.plan.policy.obeysWindows && effect.isNoticeable;
    const isInWindow =
      site === undefined || startedAt === null || !obeys ? null : isOpen(site, startedAt);
    return { rollout: run.id, unit: unit.id, site: unit.site, isInWindow };
  });
}

/** A violation pauses the rollouts of its site; one of a rollout or a unit, that one. */
function concerns(run: RolloutRun, { subject }: Violation, { sites }: FleetMoment): boolean {
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
