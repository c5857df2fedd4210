import { join } from 'node:path';
import { digestOf } from '../support/digests.ts';
import { AppError } from '../support/errors.ts';
import { namesIn, readTextIfPresent } from '../support/files.ts';
import type { PhpLayout } from './layout.ts';
import { type Ledger, readLedger } from './ledger.ts';
import {
  MANIFEST,
  MANIFEST_SIGNATURE,
  type Manifest,
  META,
  parseManifest,
  sizeOf,
} from './manifest.ts';
import { INDEX, type IndexContents, type IndexTree, parseIndex } from './php-index.ts';
import { compareTreeIds, parseTreeId, type TreeId } from './tree-id.ts';
import { parseMeta, type TreeMeta } from './tree-meta.ts';

/** A tree as it lies on disk. */
export interface PhpTree extends TreeId {
  readonly id: string;
  readonly meta: TreeMeta;
  readonly manifest: Manifest;
  /** How INDEX lists it. */
  readonly listing: IndexTree;
}

/** What a profile has, read from disk: that is the truth about it. */
export interface ProfileTrees {
  readonly profile: string;
  /** Of INDEX; 0 where there is none, as before the first tree. */
  readonly serial: number;
  readonly contents: IndexContents;
  readonly ledger: Ledger;
}

/** Throws `php-index-invalid`, `php-ledger-damaged`. */
export async function readProfile(layout: PhpLayout, profile: string): Promise<ProfileTrees> {
  const text = await readTextIfPresent(join(layout.profile(profile), INDEX));
  const index = text === undefined ? undefined : parseIndex(text);
  const { serial = 0, channels = {}, trees = [] } = index ?? {};
  const ledger = await readLedger(layout, profile, index);
  return { profile, serial, contents: { channels, trees }, ledger };
}

/** The trees that INDEX lists, oldest version first. Throws `php-tree-damaged`. */
export async function listedTrees(
  layout: PhpLayout,
  { profile, contents }: Pick<ProfileTrees, 'profile' | 'contents'>,
): Promise<PhpTree[]> {
  const trees = await Promise.all(
    contents.trees.map(async ({ id }) => await readTree(layout, profile, id)),
  );
  return trees.toSorted(compareTreeIds);
}

/** Ids of the trees of a profile on disk, whether INDEX lists them or not. */
export async function treesOnDisk(layout: PhpLayout, profile: string): Promise<string[]> {
  const names = await namesIn(layout.profile(profile));
  return names.filter((name) => parseTreeId(name)?.profile === profile);
}

/** Throws `php-tree-damaged` when META.json, MANIFEST or its signature is not there, or not this tree's. */
export async function readTree(layout: PhpLayout, profile: string, id: string): Promise<PhpTree> {
  const folder = layout.tree(profile, id);
  const read = async (name: string): Promise<string> => {
    const text = await readTextIfPresent(join(folder, name));
    if (text === undefined) {
      throw damaged(id, `it has no ${name}`);
    }
    return text;
  };
  const text = await read(MANIFEST);
  const [manifest, meta] = [parseManifest(text), parseMeta(await read(META))];
  await read(MANIFEST_SIGNATURE);
  const parts = parseTreeId(id);
  if (parts === undefined || manifest.id !== id || meta.id !== id) {
    throw damaged(id, `its MANIFEST is of ${manifest.id} and its META.json of ${meta.id}`);
  }
  const listing = { id, manifest: digestOf('sha256', text), ...sizeOf(manifest.entries) };
  return { ...parts, id, meta, manifest, listing };
}

function damaged(id: string, why: string): AppError {
  return new AppError('php-tree-damaged', `The PHP tree ${id} is damaged: ${why}.`, {
    details: { id },
  });
}
