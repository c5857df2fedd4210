import { setImmediate as breathe } from 'node:timers/promises';
import { messageOf } from '../../support/errors.ts';
import { type Site } from '../inventory/inventory.ts';
import { violations } from '../plan/invariants.ts';
import type { BegunUnit, FleetMoment, RolloutMoment, SiteMoment } from '../plan/moment.ts';
import { planIdInPieces } from '../plan/plan-id.ts';
import type { Violation } from '../plan/violation.ts';
import { approvalsOf, heldNodes, wishesToBeOut } from './fleet-store.ts';
import { siteMoment } from './live-moment.ts';
import { concerns, readingOf, sentenceOf } from './monitor-reading.ts';
import { isPlanProven } from './plan-proof.ts';
import { putReading } from './reading-store.ts';
import type { Readings } from './readings.ts';
import type { EngineContext } from './rollout-context.ts';
import type { RolloutRun } from './rollout-run.ts';
import { Sightings } from './sightings.ts';
import type { StepBegins } from './step-begins.ts';
import { isOpen } from './windows.ts';

/** A reading that stays the same is written down anew after so long, so that everybody sees that somebody looks. */
const AGAIN_MS = 60_000;

/** What the monitor keeps of a rollout between two looks. */
interface Watched {
  /** SHA-256 of the plan as its rows have it. */
  readonly digest: string;
  /** What was broken since a person let it go on last. */
  readonly broken: Violation[];
  resumedAt: number;
  written: { readonly text: string; readonly at: number };
}

/** Looks at the fleet while rollouts run, with eyes of its own: what breaks an invariant pauses them. */
export class Monitor {
  readonly #context: EngineContext;
  readonly #readings: Readings;
  readonly #begins: StepBegins;
  readonly #runs: () => readonly RolloutRun[];
  readonly #sites = new Map<string, SiteMoment>();
  readonly #watched = new Map<RolloutRun, Watched>();
  #sightings: Sightings;
  #last: FleetMoment | null = null;

  constructor(
    context: EngineContext,
    looks: { readonly readings: Readings; readonly begins: StepBegins },
    runs: () => readonly RolloutRun[],
  ) {
    this.#context = context;
    this.#readings = looks.readings;
    this.#begins = looks.begins;
    this.#runs = runs;
    this.#sightings = new Sightings(context.database);
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
    for (const run of this.#watched.keys()) {
      if (!runs.includes(run)) {
        this.#watched.delete(run);
      }
    }
    if (runs.length === 0) {
      this.#last = null;
      this.#sites.clear();
      this.#sightings = new Sightings(this.#context.database);
      return;
    }
    await this.#watch(runs);
    const { moment, silent } = await this.#moment(runs);
    const broken = violations(moment, this.#last);
    this.#last = moment;
    await Promise.all(
      runs.map(async (run) => {
        const own = broken.filter((violation) => concerns(run, violation, moment));
        await this.#tell(run, own);
        await this.#write(run, moment, silent);
      }),
    );
  }

  async #watch(runs: readonly RolloutRun[]): Promise<void> {
    for (const run of runs.filter((one) => !this.#watched.has(one))) {
      const digest = await planIdInPieces(run.loaded.plan, breathe);
      const { resumedAt } = run;
      this.#watched.set(run, { digest, broken: [], resumedAt, written: { text: '', at: 0 } });
    }
  }

  /** What is broken pauses the rollout, and stays in its reading until a person lets it go on. */
  async #tell(run: RolloutRun, broken: readonly Violation[]): Promise<void> {
    const watched = this.#watched.get(run);
    if (watched !== undefined && watched.resumedAt !== run.resumedAt) {
      watched.resumedAt = run.resumedAt;
      watched.broken.length = 0;
    }
    watched?.broken.push(...broken);
    const [first] = broken;
    if (first !== undefined) {
      await run.scene.ledger.write({ pause: sentenceOf(first) });
    }
  }

  async #write(run: RolloutRun, moment: FleetMoment, silent: readonly string[]): Promise<void> {
    const watched = this.#watched.get(run);
    if (watched === undefined) {
      return;
    }
    const seen = { moment, silent, broken: watched.broken, nodes: this.#sightings.nodes };
    const reading = readingOf(run, seen);
    const text = JSON.stringify({ ...reading, at: 0 });
    if (text !== watched.written.text || reading.at >= watched.written.at + AGAIN_MS) {
      watched.written = { text, at: reading.at };
      await putReading(this.#context.database, run.id, reading);
    }
  }

  async #moment(
    runs: readonly RolloutRun[],
  ): Promise<{ readonly moment: FleetMoment; readonly silent: readonly string[] }> {
    const { database, inventory, time } = this.#context;
    const recorded = await inventory();
    const names = new Set(runs.flatMap(({ sites }) => sites));
    const sites = recorded.inventory.sites.filter(({ name }) => names.has(name));
    const seen = await this.#sightings.around(runs, sites, async () => {
      return await Promise.all(
        sites.map(async (site) => ({ site, reading: await this.#readings.of(site) })),
      );
    });
    const wishes = new Map((await wishesToBeOut(database)).map((row) => [row.server, row]));
    const held = new Map((await heldNodes(database)).map(({ node, because }) => [node, because]));
    const known = { wishes, held, owners: ownersOf(runs), ...seen.known };
    const at = time.now();
    const begun = runs.flatMap((run) => begunOf(run, sites));
    const moment = {
      at,
      sites: seen.between.map(({ site, reading }) => {
        const now = siteMoment(site, reading, known, this.#sites.get(site.name));
        this.#sites.set(site.name, now);
        return now;
      }),
      rollouts: await this.#rolloutMoments(runs),
      // What stood when they began is not known at the first look.
      begun: this.#last === null ? [] : begun,
      ran: this.#begins.take(),
      visits: [],
      releases: [],
    };
    return { moment, silent: seen.between.flatMap(({ reading }) => reading.silent) };
  }

  async #rolloutMoments(runs: readonly RolloutRun[]): Promise<readonly RolloutMoment[]> {
    const moments: RolloutMoment[] = [];
    for (const run of runs) {
      const approvals = await approvalsOf(this.#context.database, run.id);
      moments.push({
        id: run.id,
        plan: run.loaded.plan,
        digest: this.#watched.get(run)?.digest,
        state: run.state,
        approved: approvals.map(({ rollout }) => rollout),
        isProven: await isPlanProven(this.#context, run.loaded.plan.artefacts),
        failed: run.failed,
        touched: run.loaded.touched.all,
      });
    }
    return moments;
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
