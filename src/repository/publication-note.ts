import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { AppError } from '../support/errors.ts';
import { namesIn, readTextIfPresent, writeFileAtomic } from '../support/files.ts';
import type { Allowance } from './gate/gate-store.ts';
import type { Layout } from './layout.ts';
import type { PublicationRecord, SnapshotRecord } from './publication.ts';
import type { ChannelKey } from './publication-store.ts';

const noteSchema = z.object({
  snapshotId: z.string(),
  createdAt: z.number(),
  author: z.string(),
  reason: z.string(),
  kind: z.enum(['publish', 'promote', 'rollback']),
  requestId: z.string().nullable(),
  forced: z.object({ missing: z.array(z.string()) }).nullable(),
  /** Findings of the gate that were let pass for it. */
  allowances: z
    .array(
      z.object({
        findingId: z.string(),
        kind: z.string(),
        message: z.string(),
        author: z.string(),
        reason: z.string(),
        createdAt: z.number(),
      }),
    )
    .default([]),
  /** How the snapshot came about; the publication may be a later one of it. */
  snapshot: z.object({
    createdAt: z.number(),
    author: z.string(),
    reason: z.string(),
    origin: z.string(),
  }),
});

/** What the index of a publication does not say: who made it, why, from what, and in spite of what. */
export type PublicationNote = z.infer<typeof noteSchema>;

type Key = ChannelKey & { readonly serial: number };

/**
 * Writes the note of a publication, durably, to `state/publications/<profile>/<channel>-<serial>.json`. With it and
 * the index, `rebuildRepository` restores the row of the publication.
 */
export async function writePublicationNote(
  layout: Layout,
  publication: PublicationRecord,
  {
    snapshot,
    allowances,
  }: {
    readonly snapshot: SnapshotRecord;
    readonly allowances: readonly Omit<Allowance, 'serial'>[];
  },
): Promise<void> {
  const { snapshotId, createdAt, author, reason, kind, requestId, forced } = publication;
  const note: PublicationNote = {
    snapshotId,
    createdAt,
    author,
    reason,
    kind,
    requestId,
    forced: forced === null ? null : { missing: [...forced.missing] },
    allowances: [...allowances],
    snapshot: {
      createdAt: snapshot.createdAt,
      author: snapshot.author,
      reason: snapshot.reason,
      origin: snapshot.origin,
    },
  };
  const path = pathOf(layout, publication);
  await makeDurableFolder(dirname(path));
  await writeFileAtomic(path, `${JSON.stringify(note)}\n`);
}

/** Undefined when there is none. Throws `publication-note-damaged`. */
export async function readPublicationNote(
  layout: Layout,
  key: Key,
): Promise<PublicationNote | undefined> {
  const path = pathOf(layout, key);
  const text = await readTextIfPresent(path);
  if (text === undefined) {
    return undefined;
  }
  const note = noteSchema.safeParse(jsonOf(text));
  if (!note.success) {
    throw new AppError(
      'publication-note-damaged',
      `The note of publication ${key.serial} on ${key.channel} of ${key.profile} cannot be read.`,
      { details: { ...key } },
    );
  }
  return note.data;
}

export async function removePublicationNote(layout: Layout, key: Key): Promise<void> {
  await rm(pathOf(layout, key), { force: true });
}

/** What a killed process left of writing notes. It lists all of them: for a start, not for each removal. */
export async function removeUnfinishedNotes(layout: Layout): Promise<void> {
  for (const profile of await namesIn(layout.publicationNotes)) {
    const folder = join(layout.publicationNotes, profile);
    for (const name of (await namesIn(folder)).filter((one) => one.startsWith('.'))) {
      await rm(join(folder, name), { force: true });
    }
  }
}

function pathOf(layout: Layout, { profile, channel, serial }: Key): string {
  return layout.publicationNote(profile, channel, serial);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
