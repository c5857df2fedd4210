import type { Queries } from '../../database/database.ts';
import { sonamesIn } from '../../gentoo/soname-list.ts';
import { systemSchema } from '../../repository/proof/system-store.ts';
import { installedSets, readTrees } from '../observed/observed-store.ts';
import type { NodeSightings } from './node-sightings.ts';
import { type ReportSince, reportsSince } from './sightings-store.ts';

/** A report that is written while others are read may have an earlier time. */
const OVERLAP_MS = 10_000;

/** Reads what nodes report while rollouts run, each report once. */
export class ReportSightings {
  readonly #sightings: NodeSightings;
  #newest = 0;
  /** Of each node, what it had installed when it was seen first. */
  readonly #first = new Map<string, string>();
  /** Sonames that are provided by what is installed, by its digest. */
  readonly #provided = new Map<string, ReadonlySet<string>>();

  constructor(sightings: NodeSightings) {
    this.#sightings = sightings;
  }

  /** `profileOf`: of the inventory; what a node reports about another profile does not count. */
  async read(queries: Queries, profileOf: (node: string) => string | undefined): Promise<void> {
    const since = Math.max(0, this.#newest - OVERLAP_MS);
    const rows = (await reportsSince(queries, since)).filter(
      ({ node, profile }) => profileOf(node) === profile,
    );
    await this.#readInstalled(queries, rows);
    for (const row of rows) {
      this.#note(row);
      this.#newest = Math.max(this.#newest, row.reported_at);
    }
  }

  async #readInstalled(queries: Queries, rows: readonly ReportSince[]): Promise<void> {
    const unread = rows.flatMap(({ installed_digest: digest }) =>
      digest === null || this.#provided.has(digest) ? [] : [digest],
    );
    for (const [digest, installed] of await installedSets(queries, unread)) {
      const sonames = installed.flatMap(({ provides }) => sonamesIn(provides));
      this.#provided.set(digest, new Set(sonames));
    }
  }

  #note(row: ReportSince): void {
    const { node, reported_at: at } = row;
    const trees = row.php_json === null ? undefined : readTrees(row.php_json);
    const system =
      row.system_json === null ? undefined : systemSchema.parse(JSON.parse(row.system_json));
    if (system !== undefined) {
      this.#sightings.note(node, 'release', { value: system.release, at });
    }
    if (trees !== undefined) {
      this.#sightings.note(node, 'tree', { value: trees.active, at });
    }
    const needs = trees?.resident.flatMap(({ requires }) => sonamesIn(requires));
    this.#sightings.note(node, 'lacks', { value: this.#lost(row, needs), at });
  }

  /**
   * What was provided on the node when it was seen first, and is not any more. What nothing ever provided there comes from
   * somewhere that Portage knows nothing of.
   */
  #lost(
    { node, installed_digest: digest }: ReportSince,
    needs: readonly string[] | undefined,
  ): readonly string[] | undefined {
    const now = digest === null ? undefined : this.#provided.get(digest);
    if (needs === undefined || digest === null || now === undefined) {
      return undefined;
    }
    const first = this.#first.get(node) ?? digest;
    this.#first.set(node, first);
    const before = this.#provided.get(first);
    const isWatched = needs.length === 0 || needs.some((soname) => before?.has(soname));
    return isWatched
      ? [...new Set(needs)].filter((soname) => before?.has(soname) === true && !now.has(soname))
      : undefined;
  }
}
