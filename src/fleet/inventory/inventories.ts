import type { Database } from '../../database/database.ts';
import type { ProfileCatalog } from '../../gentoo/profile.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Clock } from '../../support/clock.ts';
import { AppError } from '../../support/errors.ts';
import { changesBetween, type InventoryChanges } from './inventory-changes.ts';
import { inventoryDigest } from './inventory-digest.ts';
import {
  type InventoryFormat,
  type InventoryNote,
  type InventoryRevision,
  insertInventory,
  inventoryNotes,
  inventoryOf,
  revisionWith,
} from './inventory-store.ts';
import { readInventory } from './read-inventory.ts';
import type { InventoryFile } from './read-toml.ts';

const SHOWN_FAULTS = 30;

/** What somebody wants production to be said to consist of. */
export interface InventoryImport {
  readonly format: InventoryFormat;
  readonly files: readonly InventoryFile[];
  readonly author: string;
  readonly reason: string;
  /** Only says what would change. */
  readonly isDry: boolean;
}

export interface ImportOutcome {
  /** The one that holds now; with `isDry` the one that would. */
  readonly revision: InventoryRevision;
  /** False when it says what the newest revision says already: then there is no new one. */
  readonly isNew: boolean;
  readonly changes: InventoryChanges;
  /** What the reader passed over, sentences. */
  readonly remarks: readonly string[];
}

export interface InventoriesContext {
  readonly database: Database;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly profiles: ProfileCatalog;
}

/** The inventory of production: the newest of its revisions holds. */
export class Inventories {
  readonly #context: InventoriesContext;
  #newest: InventoryRevision | undefined;

  constructor(context: InventoriesContext) {
    this.#context = context;
  }

  /** Undefined while there is none. */
  async current(): Promise<InventoryRevision | undefined> {
    const { database } = this.#context;
    const [note] = await inventoryNotes(database, 1);
    if (note === undefined) {
      return undefined;
    }
    if (this.#newest?.revision !== note.revision || this.#newest.digest !== note.digest) {
      this.#newest = await inventoryOf(database, note.revision);
    }
    return this.#newest;
  }

  /** Throws `unknown-inventory`. */
  async require(revision?: number): Promise<InventoryRevision> {
    if (revision === undefined) {
      return requireOne(await this.current());
    }
    const found = await inventoryOf(this.#context.database, revision);
    if (found === undefined) {
      throw new AppError('unknown-inventory', `The inventory has no revision ${revision}.`);
    }
    return found;
  }

  /** The newest revision that says exactly this. Throws `unknown-inventory`. */
  async requireDigest(digest: string): Promise<InventoryRevision> {
    const { database } = this.#context;
    const revision = await revisionWith(database, digest);
    const found = revision === undefined ? undefined : await inventoryOf(database, revision);
    if (found === undefined) {
      throw new AppError(
        'unknown-inventory',
        `The inventory has no revision with the digest ${digest}.`,
      );
    }
    return found;
  }

  /** Newest first. */
  async list(limit: number): Promise<InventoryNote[]> {
    return await inventoryNotes(this.#context.database, limit);
  }

  /** Throws `inventory-refused` with every fault in `details.faults`, `reason-required`. */
  async import({ format, files, ...deed }: InventoryImport): Promise<ImportOutcome> {
    const { profiles, database, journal, clock } = this.#context;
    const names = [...profiles.list().map(({ name }) => name), ...Object.keys(profiles.broken())];
    const { inventory, faults, remarks } = readInventory(format, files, names);
    if (faults.length > 0) {
      throw refused(faults);
    }
    if (deed.reason.trim() === '') {
      throw new AppError(
        'reason-required',
        'An inventory needs a reason; it stands in the journal.',
      );
    }
    const digest = inventoryDigest(inventory);
    const source = { format, files: files.map(({ name }) => name) };
    const before = await this.current();
    const changes = changesBetween(before?.inventory, inventory);
    if (before?.digest === digest) {
      return { revision: before, isNew: false, changes, remarks };
    }
    const made = { digest, createdAt: clock.now(), author: deed.author, reason: deed.reason };
    const revision = { ...made, source, inventory, revision: (before?.revision ?? 0) + 1 };
    if (deed.isDry) {
      return { revision, isNew: true, changes, remarks };
    }
    const event = await database.transaction().execute(async (queries) => {
      const [newest] = await inventoryNotes(queries, 1);
      if ((newest?.revision ?? 0) !== revision.revision - 1) {
        throw new AppError(
          'inventory-changed',
          `Revision ${newest?.revision} of the inventory was imported at the same time; look at it and import again.`,
        );
      }
      await insertInventory(queries, revision);
      return await journal.write(queries, {
        kind: 'inventory-imported',
        subject: 'fleet:inventory',
        actor: deed.author,
        data: { revision: revision.revision, digest, reason: deed.reason, ...source, ...changes },
      });
    });
    journal.announce(event);
    return { revision, isNew: true, changes, remarks };
  }
}

function requireOne(newest: InventoryRevision | undefined): InventoryRevision {
  if (newest === undefined) {
    throw new AppError(
      'unknown-inventory',
      'There is no inventory yet; write one and use: rookery fleet import FILE --reason TEXT.',
    );
  }
  return newest;
}

function refused(faults: readonly string[]): AppError {
  const more = faults.length > SHOWN_FAULTS ? `\n  and ${faults.length - SHOWN_FAULTS} more` : '';
  const shown =
    faults
      .slice(0, SHOWN_FAULTS)
      .map((fault) => `\n  ${fault}`)
      .join('') + more;
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`;
  return new AppError('inventory-refused', `The inventory has ${count}:${shown}`, {
    details: { faults },
  });
}
