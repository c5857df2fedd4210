import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { signDetached } from '../signing/sign-detached.ts';
import { namesIn, readTextIfPresent, writeFileAtomic } from '../support/files.ts';
import { type Deed, writeLedger } from './ledger.ts';
import { isoSeconds, type PhpContext } from './php-context.ts';
import {
  formatIndex,
  INDEX,
  type IndexContents,
  indexSignatureName,
  isIndexSignature,
  type PhpIndex,
} from './php-index.ts';
import type { ProfileTrees } from './read-trees.ts';
import { parseTreeId } from './tree-id.ts';

const EVENT_KINDS: Readonly<Record<Deed['kind'], string>> = {
  import: 'php-imported',
  promote: 'php-promoted',
  rollback: 'php-rolled-back',
  remove: 'php-removed',
  collect: 'php-collected',
  recover: 'php-recovered',
};

/**
 * Makes these contents the profile's INDEX, with the next serial: the ledger first, then the signature, then the INDEX
 * itself, which is the moment it is so; then the journal. Only within `withTrees`. Returns what is so now.
 */
export async function changeIndex(
  context: PhpContext,
  { profile, ledger, ...state }: ProfileTrees,
  contents: IndexContents,
  deed: Omit<Deed, 'serial' | 'at'>,
): Promise<ProfileTrees> {
  const { layout, clock } = context;
  const serial = Math.max(state.serial, ledger.serial) + 1;
  const listed = new Set(contents.trees.map(({ id }) => id));
  const gone = state.contents.trees.map(({ id }) => id).filter((id) => !listed.has(id));
  const next = {
    ...ledger,
    serial,
    revisions: withRevisions(ledger.revisions, [...listed]),
    removed: [...new Set([...ledger.removed, ...gone])].filter((id) => !listed.has(id)),
    deeds: [...ledger.deeds, { ...deed, serial, at: clock.now() }],
  };
  await writeLedger(layout, profile, next);
  const made = { format: 1 as const, profile, serial, created: isoSeconds(clock), ...contents };
  await writeIndex(context, made);
  const { kind, actor, ...data } = deed;
  await context.journal.record({
    kind: EVENT_KINDS[kind],
    subject: `php:${profile}`,
    actor,
    data: { ...data, serial },
  });
  return { profile, serial, contents, ledger: next };
}

function withRevisions(
  known: Readonly<Record<string, number>>,
  ids: readonly string[],
): Record<string, number> {
  const revisions = { ...known };
  for (const id of ids) {
    const { version = '', revision = 0 } = parseTreeId(id) ?? {};
    revisions[version] = Math.max(revisions[version] ?? 0, revision);
  }
  return revisions;
}

/** The signature is there before what it signs; that of the INDEX before stays, for whoever has just fetched that. */
async function writeIndex(context: PhpContext, index: PhpIndex): Promise<void> {
  const folder = context.layout.profile(index.profile);
  const path = join(folder, INDEX);
  const text = formatIndex(index);
  const former = await readTextIfPresent(path);
  const present = await namesIn(folder);
  const signature = await signDetached(context.signer(), Buffer.from(text));
  await writeFileAtomic(join(folder, indexSignatureName(text)), signature);
  await writeFileAtomic(path, text);
  const kept = [text, ...(former === undefined ? [] : [former])].map(indexSignatureName);
  for (const name of present) {
    if (isIndexSignature(name) && !kept.includes(name)) {
      await rm(join(folder, name), { force: true });
    }
  }
}
