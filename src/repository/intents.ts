import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { namesIn, readTextIfPresent, writeFileAtomic } from '../support/files.ts';
import { newId } from '../support/ids.ts';

const intentSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('package'),
    profile: z.string(),
    path: z.string(),
    sha512: z.string(),
  }),
  z.strictObject({
    kind: z.literal('packages'),
    profile: z.string(),
    files: z.array(z.strictObject({ path: z.string(), sha512: z.string() })),
  }),
  z.strictObject({
    kind: z.literal('publication'),
    profile: z.string(),
    channel: z.string(),
    serial: z.number(),
  }),
]);

/** What is about to appear on disk before the database knows of it, or to go after the database has forgotten it. */
export type Intent = z.infer<typeof intentSchema>;

/** Tells the notes of one process from those of others. */
export interface ServerNames {
  /** Of this process: small letters, digits and `-`. */
  readonly id: string;
  isGone(id: string): Promise<boolean>;
}

export interface DeclaredIntent {
  readonly intent: Intent;
  /** Forgets it: the database knows, or the files are gone again. */
  withdraw(): Promise<void>;
}

/**
 * Notes on disk about files that are made before their row is committed, or removed after theirs is gone. A killed
 * process leaves its notes, and recovery looks only at what they name: it costs what was under way, and a database that
 * was lost, or restored from an older copy, can never make it remove packages.
 */
export class Intents {
  readonly #folder: string;
  readonly #servers: ServerNames | undefined;
  readonly #mine = new Map<string, Intent>();

  /** `servers`: where several processes share the folder. */
  constructor(folder: string, servers?: ServerNames) {
    this.#folder = folder;
    this.#servers = servers;
  }

  async declare(intent: Intent): Promise<DeclaredIntent> {
    const by = this.#servers === undefined ? '' : `@${this.#servers.id}`;
    const name = `${newId(intent.kind)}${by}.json`;
    this.#mine.set(name, intent);
    await makeDurableFolder(this.#folder);
    await writeFileAtomic(join(this.#folder, name), JSON.stringify(intent));
    return this.#declared(name, intent);
  }

  /** What this process, and all others that share the folder, are making just now. */
  async underWay(): Promise<Intent[]> {
    const others: Intent[] = [];
    for (const name of await this.#othersNames()) {
      const text = name.startsWith('.') ? undefined : await this.#read(name);
      if (text !== undefined) {
        others.push(intentSchema.parse(JSON.parse(text)));
      }
    }
    return [...this.#mine.values(), ...others];
  }

  /** Those of processes that are gone. */
  async leftovers(): Promise<DeclaredIntent[]> {
    const found: DeclaredIntent[] = [];
    for (const name of await this.#othersNames()) {
      if (!(await this.#isAbandoned(name))) {
        continue;
      }
      const text = name.startsWith('.') ? undefined : await this.#read(name);
      if (text === undefined) {
        await rm(join(this.#folder, name), { force: true });
      } else {
        found.push(this.#declared(name, intentSchema.parse(JSON.parse(text))));
      }
    }
    return found;
  }

  async #othersNames(): Promise<string[]> {
    return (await namesIn(this.#folder)).filter((one) => !this.#isMine(one));
  }

  async #read(name: string): Promise<string | undefined> {
    return await readTextIfPresent(join(this.#folder, name));
  }

  async #isAbandoned(name: string): Promise<boolean> {
    const server = /@([a-z0-9-]+)\.json/.exec(name)?.[1];
    return (
      server === undefined || this.#servers === undefined || (await this.#servers.isGone(server))
    );
  }

  /** `writeFileAtomic` puts a dot before the name while it writes. */
  #isMine(name: string): boolean {
    return [...this.#mine.keys()].some((mine) => name === mine || name.startsWith(`.${mine}.`));
  }

  #declared(name: string, intent: Intent): DeclaredIntent {
    return {
      intent,
      withdraw: async () => {
        await rm(join(this.#folder, name), { force: true });
        this.#mine.delete(name);
      },
    };
  }
}
