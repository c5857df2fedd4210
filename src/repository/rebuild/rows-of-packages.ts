import type { Database } from '../../database/database.ts';
import { raiseBuildIds } from '../build-id-store.ts';
import { saveFileCheck } from '../check/file-check-store.ts';
import { type QuarantineNote, readQuarantineNotes } from '../check/quarantine-note.ts';
import type { PackageRecord } from '../package-record.ts';
import { insertPackage, releaseUpload } from '../package-store.ts';
import type { KnownPackage } from './read-publication.ts';

const BATCH = 200;

interface Holder {
  readonly id: string;
  readonly buildId: number;
}

/** Puts packages into a new database, many to a transaction, and knows by path what it has put there. */
export class RowsOfPackages {
  readonly #database: Database;
  readonly #known = new Map<string, Map<string, KnownPackage>>();
  readonly #quarantined = new Map<string, { record: PackageRecord; note: QuarantineNote }>();
  readonly #uploads = new Map<string, Holder>();
  readonly #ids = new Set<string>();
  #waiting: PackageRecord[] = [];
  count = 0;
  bytes = 0;
  damaged = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  /** By path; those in quarantine too. */
  ofProfile(profile: string): ReadonlyMap<string, KnownPackage> {
    return this.#known.get(profile) ?? new Map<string, KnownPackage>();
  }

  async add(record: PackageRecord): Promise<void> {
    this.#know(record);
    this.#waiting.push(record);
    this.count += 1;
    this.bytes += record.size;
    if (this.#waiting.length >= BATCH) {
      await this.flush();
    }
  }

  async flush(): Promise<void> {
    const records = this.#waiting;
    this.#waiting = [];
    await this.#database.transaction().execute(async (queries) => {
      for (const record of records) {
        const upload = this.#uploadOf(record);
        if (upload.released !== undefined) {
          await releaseUpload(queries, upload.released);
        }
        await insertPackage(queries, { ...record, uploadSha512: upload.sha512 });
      }
      await raiseBuildIds(queries, records);
    });
  }

  /** Packages whose files are not there any more: rows only if a publication names them (`addNamed`). */
  async rememberQuarantined(quarantine: string): Promise<void> {
    for (const note of await readQuarantineNotes(quarantine)) {
      for (const record of note.packages) {
        if (!this.ofProfile(record.profile).has(record.path) && !this.#ids.has(record.id)) {
          this.#know(record);
          this.#quarantined.set(record.id, { record, note });
        }
      }
    }
  }

  /** Adds those of these packages that are in quarantine. */
  async addNamed(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const found = this.#quarantined.get(id);
      if (found !== undefined) {
        const { record, note } = found;
        this.#quarantined.delete(id);
        this.#waiting.push(record);
        await this.flush();
        const { at: checkedAt, reason, sha512 } = note;
        await saveFileCheck(this.#database, { sha512, checkedAt, state: 'damaged', reason });
        this.damaged += 1;
      }
    }
  }

  #know(record: PackageRecord): void {
    const { profile, path, id, cpv, buildId, stanza } = record;
    const known = this.#known.get(profile) ?? new Map<string, KnownPackage>();
    known.set(path, { id, cpv, buildId, stanza });
    this.#known.set(profile, known);
    this.#ids.add(id);
  }

  /**
   * One upload is one package of a profile; where a damaged one was replaced by a second build of the same upload, it
   * belongs to that build (see `releaseUpload`).
   */
  #uploadOf(record: PackageRecord): { readonly sha512: string; readonly released?: string } {
    const key = `${record.profile}\n${record.uploadSha512}`;
    const holder = this.#uploads.get(key);
    if (holder !== undefined && holder.buildId > record.buildId) {
      return { sha512: record.sha512 };
    }
    this.#uploads.set(key, { id: record.id, buildId: record.buildId });
    return {
      sha512: record.uploadSha512,
      ...(holder === undefined ? {} : { released: holder.id }),
    };
  }
}
