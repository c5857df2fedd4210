import type { Database } from '../../database/database.ts';
import type { Site } from '../inventory/inventory.ts';
import type { KnownOfMembers } from './live-moment.ts';
import { NOTHING, type NodeSighting, NodeSightings } from './node-sightings.ts';
import { ReportSightings } from './report-sightings.ts';
import type { RolloutRun } from './rollout-run.ts';
import { type FarmSighting, StepSightings } from './step-sightings.ts';

/** What was known all the while something else was looked at. */
export interface SeenAround<T> {
  readonly between: T;
  readonly known: Pick<KnownOfMembers, 'nodes' | 'farm' | 'flushedBefore'>;
}

/** What nodes have reported and what steps have come to, while rollouts run. */
export class Sightings {
  readonly nodes = new NodeSightings();
  readonly #database: Database;
  readonly #reports: ReportSightings;
  readonly #steps = new Map<RolloutRun, StepSightings>();
  /** By farm: when it was known to be flushed last, at the look before. */
  #flushed: ReadonlyMap<string, number> = new Map();

  constructor(database: Database) {
    this.#database = database;
    this.#reports = new ReportSightings(this.nodes);
  }

  /**
   * Looks at something, and at what is recorded before and after it. Of a node of which something else is known afterwards, nothing
   * is: nobody can say what it was at the moment of the look.
   */
  async around<T>(
    runs: readonly RolloutRun[],
    sites: readonly Site[],
    look: () => Promise<T>,
  ): Promise<SeenAround<T>> {
    await this.#read(runs, sites);
    const farms = sites.flatMap((site) => site.farms);
    const nodes = farms.flatMap(({ members }) => members.map(({ node }) => node));
    const before = new Map(nodes.map((node) => [node, this.nodes.of(node)]));
    const between = await look();
    await this.#read(runs, sites);
    const flushedBefore = this.#flushed;
    this.#flushed = new Map(farms.map(({ name }) => [name, this.#farm(name).flushedAt]));
    return {
      between,
      known: {
        nodes: {
          of: (node): NodeSighting => {
            const now = this.nodes.of(node);
            return before.get(node) === now ? now : NOTHING;
          },
        },
        farm: (name) => this.#farm(name),
        flushedBefore: (name) => flushedBefore.get(name) ?? 0,
      },
    };
  }

  async #read(runs: readonly RolloutRun[], sites: readonly Site[]): Promise<void> {
    const profiles = new Map(
      sites.flatMap(({ farms }) =>
        farms.flatMap(({ members }) => members.map(({ node, profile }) => [node, profile])),
      ),
    );
    await this.#reports.read(this.#database, (node) => profiles.get(node));
    for (const run of this.#steps.keys()) {
      if (!runs.includes(run)) {
        this.#steps.delete(run);
      }
    }
    for (const run of runs) {
      const known = this.#steps.get(run) ?? new StepSightings(this.nodes, run.loaded.plan);
      this.#steps.set(run, known);
      await known.read(this.#database);
    }
  }

  #farm(name: string): FarmSighting {
    const all = [...this.#steps.values()].map((steps) => steps.farm(name));
    return {
      flushedAt: Math.max(0, ...all.map(({ flushedAt }) => flushedAt)),
      outAt: Math.max(0, ...all.map(({ outAt }) => outAt)),
    };
  }
}
