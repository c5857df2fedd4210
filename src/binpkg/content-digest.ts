import { createHash, type Hash } from 'node:crypto';
import type { EntryVisitor, ImageEntry } from './gpkg/image-archive.ts';

/**
 * Metadata that tells of one build and not of its result: when, by what, from which state of the tree, with which
 * switches of Portage. Binary keys (environment, ebuild) do not count either.
 */
const OF_THE_BUILD: ReadonlySet<string> = new Set([
  'BUILD_ID',
  'BUILD_TIME',
  'BINPKGMD5',
  'COUNTER',
  'CONTENTS',
  'FEATURES',
  'INHERITED',
  'REPO_REVISIONS',
  'ROOKERY_PROVENANCE',
]);

/**
 * Digest of what a package is once it is installed: its files (path, type, mode, owner, bytes or target) and what its
 * metadata say, without times. Two builds with the same digest are the same to whatever is built with them.
 *
 * `visit` takes the place of the visitor given, and shows it everything.
 */
export class ContentDigest {
  readonly #entries: string[] = [];
  readonly #next: EntryVisitor;

  constructor(next: EntryVisitor) {
    this.#next = next;
  }

  readonly visit: EntryVisitor = async (entry, content) => {
    if (entry.type !== 'file') {
      this.#entries.push(lineOf(entry, ''));
      await this.#next(entry, content);
      return;
    }
    const hash = createHash('sha256');
    const pieces = hashed(content, hash);
    await this.#next(entry, { [Symbol.asyncIterator]: () => pieces });
    // What the other did not want to see belongs to the file all the same.
    let piece = await pieces.next();
    while (piece.done !== true) {
      piece = await pieces.next();
    }
    this.#entries.push(lineOf(entry, hash.digest('hex')));
  };

  /** SHA-256, hex; to be asked for once, after all entries. */
  finish(metadata: Readonly<Record<string, string>>): string {
    const hash = createHash('sha256');
    for (const line of this.#entries.toSorted()) {
      hash.update(line);
    }
    for (const key of Object.keys(metadata).toSorted()) {
      if (!OF_THE_BUILD.has(key)) {
        hash.update(`${key}=${metadata[key]}\n`);
      }
    }
    return hash.digest('hex');
  }
}

function lineOf(entry: ImageEntry, sha256: string): string {
  const { path, type, mode, linkPath, uid, gid, uname, gname } = entry;
  const user = uname === '' ? uid : uname;
  const group = gname === '' ? gid : gname;
  return `${JSON.stringify([path, type, mode, user, group, linkPath, sha256])}\n`;
}

/** It cannot be ended by who looks at only a part of it. */
function hashed(content: AsyncIterable<Buffer>, hash: Hash): AsyncIterator<Buffer> {
  const pieces = content[Symbol.asyncIterator]();
  return {
    next: async () => {
      const piece = await pieces.next();
      if (piece.done !== true) {
        hash.update(piece.value);
      }
      return piece;
    },
  };
}
