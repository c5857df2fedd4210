import { chmod, link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { signDetached } from '../signing/sign-detached.ts';
import { digestFile, digestOf } from '../support/digests.ts';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { AppError, isErrno } from '../support/errors.ts';
import { exists, syncDirectory, syncFile } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { changeIndex } from './change-index.ts';
import { INCOMING } from './layout.ts';
import {
  formatManifest,
  MANIFEST,
  MANIFEST_SIGNATURE,
  type ManifestEntry,
  META,
} from './manifest.ts';
import { isoSeconds, type PhpContext, withTrees } from './php-context.ts';
import {
  listedTrees,
  type PhpTree,
  type ProfileTrees,
  readProfile,
  readTree,
  treesOnDisk,
} from './read-trees.ts';
import { nextTreeId } from './revisions.ts';
import { type ScannedTree, scanTree } from './scan-tree.ts';
import { parseTreeId } from './tree-id.ts';
import { formatMeta, type TreeFacts, type TreeMeta } from './tree-meta.ts';
import { unpackTree } from './unpack-tree.ts';

export interface ImportTree {
  readonly profile: string;
  /** The upload: a tar as `packImage` makes it, of `facts.json` and the folder `tree`. */
  readonly file: string;
  /** A channel that shows the tree at once; null for none. */
  readonly channel: string | null;
  readonly actor: string;
  /** Of a tree that the farm has built: the id that was set aside for it, and what it was built of. */
  readonly built?: { readonly id: string; readonly build: TreeFacts['build'] };
}

interface Unpacked extends ScannedTree {
  readonly folder: string;
  readonly facts: TreeFacts;
  readonly entries: readonly ManifestEntry[];
}

/**
 * Takes a tree in: everything untrusted is looked at, then it gets the next revision of its version, META.json and a
 * signed MANIFEST, and appears in one rename; then INDEX lists it. A tree with the content of one that is listed
 * becomes none: that one is given instead, with `isNew` false. One that the farm has built for its id gets that, and what
 * comes under the same id again is the tree that is there.
 *
 * Throws the codes of `unpackTree` and `scanTree`; `php-version-differs` when what was built is not what the id says.
 */
export async function importTree(context: PhpContext, request: ImportTree): Promise<Imported> {
  const { layout, limits } = context;
  const parent = layout.profile(request.profile);
  const folder = join(parent, `${INCOMING}${newId('php')}`);
  await makeDurableFolder(parent);
  await mkdir(folder, { mode: 0o755 });
  try {
    const { facts: said, entries } = await unpackTree(request.file, folder, limits);
    const facts = request.built === undefined ? said : factsOfBuild(said, request.built);
    const scanned = await scanTree(folder, entries);
    return await withTrees(
      context,
      request.profile,
      async () => await place(context, request, { folder, facts, entries, ...scanned }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function factsOfBuild(
  facts: TreeFacts,
  { id, build }: NonNullable<ImportTree['built']>,
): TreeFacts {
  const version = parseTreeId(id)?.version;
  if (facts.php !== version) {
    throw new AppError(
      'php-version-differs',
      `What was built is PHP ${facts.php}, and the tree ${id} was to be ${version}.`,
    );
  }
  return { ...facts, build };
}

export interface Imported {
  readonly tree: PhpTree;
  readonly isNew: boolean;
  /** Of the INDEX that lists it. */
  readonly serial: number;
}

async function place(
  context: PhpContext,
  request: ImportTree,
  unpacked: Unpacked,
): Promise<Imported> {
  const state = await readProfile(context.layout, request.profile);
  const known = await listedTrees(context.layout, state);
  const same = await presentTree(context, request, unpacked, { state, known });
  if (same !== undefined) {
    const isListed = state.contents.trees.some(({ id }) => id === same.id);
    const isShown =
      request.channel === null || state.contents.channels[request.channel] === same.id;
    const { serial } = isListed && isShown ? state : await list(context, request, state, same);
    return { tree: same, isNew: false, serial };
  }
  const { php } = unpacked.facts;
  const id = request.built?.id ?? (await nextTreeId(context, state, php));
  const tree = await publish(context, id, unpacked, known);
  const { serial } = await list(context, request, state, tree);
  return { tree, isNew: true, serial };
}

/** The tree that the upload is already: that of its id, or that of its content. */
async function presentTree(
  { layout }: PhpContext,
  { built }: ImportTree,
  unpacked: Unpacked,
  { state, known }: { readonly state: ProfileTrees; readonly known: readonly PhpTree[] },
): Promise<PhpTree | undefined> {
  if (built !== undefined) {
    const { profile } = state;
    const isThere = (await treesOnDisk(layout, profile)).includes(built.id);
    return isThere ? await readTree(layout, profile, built.id) : undefined;
  }
  const digest = contentDigest({ ...unpacked, ...unpacked.facts }, unpacked.entries);
  return known.findLast(({ meta, manifest }) => contentDigest(meta, manifest.entries) === digest);
}

/** Lists a tree that is in its place, unless it is listed, and lets the channel show it that was named. */
async function list(
  context: PhpContext,
  { channel, actor }: ImportTree,
  state: ProfileTrees,
  { id, listing }: PhpTree,
): Promise<ProfileTrees> {
  const { channels, trees } = state.contents;
  const isListed = trees.some((tree) => tree.id === id);
  const deed = {
    kind: isListed ? ('promote' as const) : ('import' as const),
    channel,
    tree: id,
    before: channel === null ? null : (channels[channel] ?? null),
    forced: [],
    actor,
    reason: '',
  };
  const contents = {
    channels: channel === null ? channels : { ...channels, [channel]: id },
    trees: isListed ? trees : [...trees, listing],
  };
  return await changeIndex(context, state, contents, deed);
}

/** Brings what was unpacked to its place under an id of its own, complete and durable. INDEX does not know it yet. */
async function publish(
  context: PhpContext,
  id: string,
  unpacked: Unpacked,
  known: readonly PhpTree[],
): Promise<PhpTree> {
  const { layout } = context;
  const { profile = '' } = parseTreeId(id) ?? {};
  await shareFiles(context, unpacked, known);
  await complete(context, unpacked, metaOf(context, id, unpacked));
  await rename(unpacked.folder, layout.tree(profile, id));
  await syncDirectory(layout.profile(profile));
  return await readTree(layout, profile, id);
}

/** What makes two trees the same for whoever uses them: all but the id and where they come from. */
function contentDigest(
  said: Omit<TreeFacts, 'build'> & ScannedTree,
  entries: readonly ManifestEntry[],
): string {
  const { php, api, isThreadSafe, isDebug, extensions, sapis, requires, glibc } = said;
  const words = [php, api, isThreadSafe, isDebug, extensions.toSorted(), sapis, requires, glibc];
  const files = formatManifest({ id: '', entries: entries.filter(({ path }) => path !== META) });
  return digestOf('sha256', `${JSON.stringify(words)}\n${files}`);
}

function metaOf({ clock }: PhpContext, id: string, { facts, ...scanned }: Unpacked): TreeMeta {
  const { profile = '', revision = 0 } = parseTreeId(id) ?? {};
  const { php, api, isThreadSafe, isDebug, extensions, build } = facts;
  const { sapis, requires, glibc } = scanned;
  return {
    format: 1,
    id,
    php,
    profile,
    revision,
    api,
    isThreadSafe,
    isDebug,
    sapis: [...sapis],
    extensions,
    requires,
    glibc,
    build: { ...build, when: isoSeconds(clock) },
  };
}

/** A file that a listed tree has already, with the same bytes and mode, becomes the same inode. */
async function shareFiles(
  { layout }: PhpContext,
  { folder, entries }: Unpacked,
  known: readonly PhpTree[],
): Promise<void> {
  const places = new Map<string, string>();
  for (const { id, profile, manifest } of known) {
    for (const entry of manifest.entries) {
      if (entry.type === 'file') {
        places.set(`${entry.sha256} ${entry.mode}`, join(layout.tree(profile, id), entry.path));
      }
    }
  }
  for (const entry of entries) {
    const other = entry.type === 'file' ? places.get(`${entry.sha256} ${entry.mode}`) : undefined;
    if (entry.type === 'file' && other !== undefined && (await isIntact(other, entry.sha256))) {
      await replaceByLink(other, join(folder, entry.path));
    }
  }
}

/** A file that was damaged meanwhile must not spoil a new tree. */
async function isIntact(path: string, sha256: string): Promise<boolean> {
  return (
    (await exists(path)) && (await digestFile(path, ['sha256'])).digests.of('sha256') === sha256
  );
}

/** Where no more links to a file can be made, the copy stays. */
async function replaceByLink(other: string, path: string): Promise<void> {
  const temporary = `${path}.${newId('link')}`;
  try {
    await link(other, temporary);
  } catch (error) {
    if (isErrno(error, 'EMLINK') || isErrno(error, 'EXDEV')) {
      return;
    }
    throw error;
  }
  await rename(temporary, path);
}

/** Modes, META.json, MANIFEST and its signature; everything durable. */
async function complete(
  { signer }: PhpContext,
  { folder, entries }: Unpacked,
  meta: TreeMeta,
): Promise<void> {
  const metaText = formatMeta(meta);
  const own: ManifestEntry = {
    type: 'file',
    path: META,
    mode: 0o644,
    bytes: Buffer.byteLength(metaText),
    sha256: digestOf('sha256', metaText),
  };
  const text = formatManifest({ id: meta.id, entries: [...entries, own] });
  const signature = await signDetached(signer(), Buffer.from(text));
  await writeFile(join(folder, META), metaText, { mode: 0o644, flag: 'wx' });
  await writeFile(join(folder, MANIFEST), text, { mode: 0o644, flag: 'wx' });
  await writeFile(join(folder, MANIFEST_SIGNATURE), signature, { mode: 0o644, flag: 'wx' });
  const folders = entries.filter(({ type }) => type === 'directory');
  for (const entry of entries) {
    if (entry.type === 'file') {
      await chmod(join(folder, entry.path), entry.mode);
      await syncFile(join(folder, entry.path));
    }
  }
  for (const name of [META, MANIFEST, MANIFEST_SIGNATURE]) {
    await chmod(join(folder, name), 0o644);
    await syncFile(join(folder, name));
  }
  for (const entry of folders.toReversed()) {
    if (entry.type === 'directory') {
      await chmod(join(folder, entry.path), entry.mode);
      await syncDirectory(join(folder, entry.path));
    }
  }
  await chmod(folder, 0o755);
  await syncDirectory(folder);
}
