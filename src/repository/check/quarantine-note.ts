import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { makeDurableFolder } from '../../support/durable-folder.ts';
import { namesIn, writeFileAtomic } from '../../support/files.ts';
import { foldersIn } from '../package-folder.ts';
import type { PackageRecord } from '../package-record.ts';

const recordSchema: z.ZodType<PackageRecord> = z.object({
  id: z.string(),
  profile: z.string(),
  category: z.string(),
  pn: z.string(),
  cpv: z.string(),
  slot: z.string(),
  buildId: z.number(),
  path: z.string(),
  size: z.number(),
  md5: z.string(),
  sha1: z.string(),
  sha512: z.string(),
  mtimeSeconds: z.number(),
  buildTimeSeconds: z.number(),
  uploadSha512: z.string(),
  keyFingerprint: z.string(),
  inputs: z.string().nullable(),
  origin: z.string(),
  metadata: z.record(z.string(), z.string()),
  stanza: z.string(),
  importedAt: z.number(),
});

const noteSchema = z.object({
  /** Milliseconds since the epoch. */
  at: z.number(),
  /** What the file should be. */
  sha512: z.string(),
  /** A sentence. */
  reason: z.string(),
  /** What became of the packages, a sentence. */
  outcome: z.string(),
  /** Every name that the file had. */
  names: z.array(z.string()),
  packages: z.array(recordSchema),
});

/** Why a file is in quarantine, and the packages that it was: a rebuild knows them from here. */
export interface QuarantineNote extends z.infer<typeof noteSchema> {
  readonly packages: PackageRecord[];
}

/** Where a damaged file of this digest goes: `<state>/quarantine/<YYYY-MM-DD>/<sha512>`. The note adds `.json`. */
export function quarantinePath(quarantine: string, note: Pick<QuarantineNote, 'at' | 'sha512'>) {
  return join(quarantine, new Date(note.at).toISOString().slice(0, 10), note.sha512);
}

/** Writes the note, durably, before anything is moved. Returns the path for the file. */
export async function writeQuarantineNote(
  quarantine: string,
  note: QuarantineNote,
): Promise<string> {
  const path = quarantinePath(quarantine, note);
  await makeDurableFolder(join(path, '..'));
  await writeFileAtomic(`${path}.json`, `${JSON.stringify(note, null, 2)}\n`);
  return path;
}

/** Every note, oldest first. */
export async function readQuarantineNotes(quarantine: string): Promise<QuarantineNote[]> {
  const notes: QuarantineNote[] = [];
  for (const date of await foldersIn(quarantine)) {
    const names = await namesIn(join(quarantine, date));
    for (const name of names.filter((one) => /^[0-9a-f]{128}\.json$/.test(one))) {
      const text = await readFile(join(quarantine, date, name), 'utf8');
      notes.push(noteSchema.parse(JSON.parse(text)));
    }
  }
  return notes;
}
