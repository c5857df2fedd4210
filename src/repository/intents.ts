import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { namesIn, readTextIfPresent, writeFileAtomic } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { makeDurableFolder } from './durable-folder.ts';

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
  readonly #mine = new Map<string, Intent>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async declare(intent: Intent): Promise<DeclaredIntent> {
    const name = `${newId(intent.kind)}.json`;
    this.#mine.set(name, intent);
    await makeDurableFolder(this.#folder);
    await writeFileAtomic(join(this.#folder, name), JSON.stringify(intent));
    return this.#declared(name, intent);
  }

  /** What this process is making just now. */
  underWay(): Intent[] {
    return [...this.#mine.values()];
  }

  /** Those of processes that are gone. */
  async leftovers(): Promise<DeclaredIntent[]> {
    const found: DeclaredIntent[] = [];
    for (const name of (await namesIn(this.#folder)).filter((one) => !this.#isMine(one))) {
      const path = join(this.#folder, name);
      const text = name.startsWith('.') ? undefined : await readTextIfPresent(path);
      if (text === undefined) {
        await rm(path, { force: true });
      } else {
        found.push(this.#declared(name, intentSchema.parse(JSON.parse(text))));
      }
    }
    return found;
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
