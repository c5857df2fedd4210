import { createHash } from 'node:crypto';
import { mkdir, open, symlink } from 'node:fs/promises';
import { SourceInput } from '../binpkg/archive/byte-input.ts';
import { type TarEntry, TarReader } from '../binpkg/archive/tar-reader.ts';
import { openByteSource } from '../binpkg/byte-source.ts';
import { AppError } from '../support/errors.ts';
import { ensureInside, writeAll } from '../support/files.ts';
import type { TreeLimits } from './limits.ts';
import {
  faultOfLink,
  faultOfMode,
  faultOfPath,
  MANIFEST,
  MANIFEST_SIGNATURE,
  type ManifestEntry,
  META,
} from './manifest.ts';
import { faultsOf, type TreeFacts, treeFactsSchema } from './tree-meta.ts';

/** Where an upload has what it says about the tree, and the tree itself; see `packImage` of `binpkg/image.ts`. */
const ROOT = 'image';
const FACTS = `${ROOT}/facts.json`;
const TREE = `${ROOT}/tree`;
/** What a tree has at its top. */
const TOP = new Set(['bin', 'sbin', 'lib', 'etc', 'share']);
const OWN = new Set([MANIFEST, MANIFEST_SIGNATURE, META]);

export interface UnpackedTree {
  readonly facts: TreeFacts;
  /** In the order of the archive. */
  readonly entries: readonly ManifestEntry[];
}

/**
 * Unpacks an upload into a folder that is there and empty, and believes nothing of it: every path, mode, link and size
 * is looked at before anything is written under it. Files and folders have their modes afterwards, and nobody's
 * owner; nothing is durable yet.
 *
 * Throws `php-tree-refused` with the path and why, `php-tree-too-large`, `php-facts-invalid` and the codes of `TarReader`.
 */
export async function unpackTree(
  file: string,
  folder: string,
  limits: TreeLimits,
): Promise<UnpackedTree> {
  const source = await openByteSource(file);
  try {
    const reader = new TarReader(new SourceInput(source));
    const unpacking = new Unpacking(folder, limits);
    let facts: TreeFacts | undefined;
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (entry.path === FACTS) {
        facts = await readFacts(entry, reader.content(entry), limits);
      } else {
        await unpacking.take(entry, reader.content(entry));
      }
    }
    if (facts === undefined) {
      throw new AppError('php-facts-invalid', `The upload has no ${FACTS}.`);
    }
    return { facts, entries: unpacking.entries };
  } finally {
    await source.close();
  }
}

async function readFacts(
  entry: TarEntry,
  content: AsyncIterable<Buffer>,
  limits: TreeLimits,
): Promise<TreeFacts> {
  if (entry.type !== 'file' || entry.size > limits.factsBytes) {
    throw new AppError('php-facts-invalid', `${FACTS} is no file, or has too many bytes.`);
  }
  const pieces: Buffer[] = [];
  for await (const piece of content) {
    pieces.push(piece);
  }
  const result = treeFactsSchema.safeParse(jsonOf(Buffer.concat(pieces).toString('utf8')));
  if (!result.success) {
    throw new AppError(
      'php-facts-invalid',
      `What the upload says about the tree does not hold: ${faultsOf(result.error)}.`,
    );
  }
  return result.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError('php-facts-invalid', `${FACTS} is not JSON.`, { cause: error });
  }
}

class Unpacking {
  readonly entries: ManifestEntry[] = [];
  readonly #folder: string;
  readonly #limits: TreeLimits;
  readonly #folders = new Set<string>(['']);
  readonly #paths = new Set<string>();
  #bytes = 0;

  constructor(folder: string, limits: TreeLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  async take(entry: TarEntry, content: AsyncIterable<Buffer>): Promise<void> {
    if (entry.path === ROOT || entry.path === TREE) {
      expectFolder(entry);
      return;
    }
    if (!entry.path.startsWith(`${TREE}/`)) {
      throw refused(entry.path, `is neither ${FACTS} nor below ${TREE}`);
    }
    const path = entry.path.slice(TREE.length + 1);
    this.#expectPlace(path);
    this.#bytes += entry.size;
    if (this.#bytes > this.#limits.bytes || this.entries.length >= this.#limits.entries) {
      throw new AppError(
        'php-tree-too-large',
        `The tree has more than ${this.#limits.entries} entries or ${this.#limits.bytes} bytes.`,
      );
    }
    this.#paths.add(path);
    this.entries.push(await this.#write(path, entry, content));
  }

  /** The folder that it stands in came before it as a folder: so no path leads through a link. */
  #expectPlace(path: string): void {
    const fault = faultOfPath(path);
    if (fault !== undefined) {
      throw refused(path, fault);
    }
    const slash = path.lastIndexOf('/');
    const [top = ''] = path.split('/');
    if (OWN.has(path) || !TOP.has(top)) {
      throw refused(path, `is not below one of ${[...TOP].join(', ')}`);
    }
    if (/(?:^|\/)\./.test(path)) {
      throw refused(path, 'has a name that begins with a dot');
    }
    if (this.#paths.has(path)) {
      throw refused(path, 'is there twice');
    }
    if (!this.#folders.has(path.slice(0, Math.max(0, slash)))) {
      throw refused(path, 'is in a folder that is not there before it');
    }
  }

  async #write(
    path: string,
    { type, mode, linkPath, size }: TarEntry,
    content: AsyncIterable<Buffer>,
  ): Promise<ManifestEntry> {
    const place = ensureInside(this.#folder, path);
    if (type === 'symlink') {
      const fault = faultOfLink(path, linkPath);
      if (fault !== undefined) {
        throw refused(
          path,
          `is a link to ${JSON.stringify(linkPath.slice(0, 200))}, which ${fault}`,
        );
      }
      await symlink(linkPath, place);
      return { type: 'link', path, target: linkPath };
    }
    const fault = faultOfMode(mode);
    if (fault !== undefined) {
      throw refused(path, `has the mode ${mode.toString(8)}, which ${fault}`);
    }
    if (type === 'directory') {
      if ((mode & 0o700) !== 0o700) {
        throw refused(path, `is a folder with the mode ${mode.toString(8)}`);
      }
      await mkdir(place, { mode: 0o700 });
      this.#folders.add(path);
      return { type: 'directory', path, mode };
    }
    if (type !== 'file') {
      throw refused(path, `is a ${type}`);
    }
    return { type: 'file', path, mode, bytes: size, sha256: await writeFile(place, content) };
  }
}

async function writeFile(path: string, content: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const piece of content) {
      hash.update(piece);
      await writeAll(handle, piece);
    }
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

function expectFolder({ path, type }: TarEntry): void {
  if (type !== 'directory') {
    throw refused(path, `is a ${type}`);
  }
}

function refused(path: string, why: string): AppError {
  const shown = JSON.stringify(path.slice(0, 300));
  return new AppError('php-tree-refused', `The tree cannot be taken: ${shown} ${why}.`, {
    details: { path: path.slice(0, 300) },
  });
}
