import { StreamInput } from '../archive/byte-input.ts';
import { type TarEntry, TarReader } from '../archive/tar-reader.ts';
import type { NewTarEntryType } from '../archive/tar-writer.ts';
import type { PackageLimits } from '../limits.ts';
import { expectEnd } from './archive-end.ts';
import { IMAGE_FOLDER } from './layout.ts';
import { refusal } from './refusals.ts';

/** What is in an image, without unpacking it to disk. */
export interface ImageSummary {
  /** Everything in the archive, folders and links included. */
  readonly entries: number;
  /** Regular files; further hard links to one are not counted. */
  readonly regularFiles: number;
  /** Bytes of all regular files, hard links counted once: what SIZE in the metadata says. */
  readonly installedBytes: number;
  /** Paths of regular files and hard links below the image (`usr/bin/x`), in archive order; only if asked for. */
  readonly files: readonly string[] | undefined;
}

/** One entry of an image that has passed the checks. */
export interface ImageEntry {
  /** Below the image: `usr/bin/x`; empty for the image folder itself. */
  readonly path: string;
  readonly type: NewTarEntryType;
  /** Of a hard link: a path like `path`. Of a symbolic link: its target as it stands. Else empty. */
  readonly linkPath: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  readonly mtimeSeconds: number;
}

/** Is shown every entry, in archive order, before the archive as a whole is known to be good. */
export type EntryVisitor = (entry: ImageEntry, content: AsyncIterable<Buffer>) => Promise<void>;

export interface ImageWalkOptions {
  readonly listFiles?: boolean;
  readonly visit?: EntryVisitor;
}

/** Where the paths of an archive begin: in `image/` as in a GPKG, or at its root (`./usr`) as in an XPAK. */
export type ImageRoot = 'image-folder' | 'archive-root';

/** Of a name in a folder of Linux, and of the target of a symbolic link. */
const SEGMENT_BYTES = 255;
const LINK_BYTES = 4095;

type Known = 'file' | 'symlink' | 'directory' | 'implied-directory';

/**
 * Walks image.tar as it comes unpacked, with the checks of `portage/gpkg.py:tar_safe_extract`, and one more: no
 * path may lead through a symbolic link or file of the same image.
 *
 * Throws `gpkg-image-*` and the codes of `TarReader`.
 */
export async function walkImageArchive(
  archive: AsyncIterable<Buffer>,
  limits: PackageLimits,
  options: ImageWalkOptions = {},
): Promise<ImageSummary> {
  const walk = new ImageWalk(limits, options);
  for await (const { entry, content } of imageEntries(archive, limits, walk)) {
    await options.visit?.(entry, content);
  }
  return walk.summary();
}

/**
 * The entries of an archive, checked by the walk, one by one. Content that is not read is passed over. The walk's
 * summary is whole once the last entry has been taken.
 *
 * Throws `gpkg-image-*` and the codes of `TarReader`.
 */
export async function* imageEntries(
  archive: AsyncIterable<Buffer>,
  limits: PackageLimits,
  walk: ImageWalk,
): AsyncGenerator<{ readonly entry: ImageEntry; readonly content: AsyncIterable<Buffer> }> {
  const input = new StreamInput(archive);
  const reader = new TarReader(input, limits);
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      yield { entry: walk.add(entry), content: reader.content(entry) };
    }
    const tail = walk.root === 'image-folder' ? 'unread-tail' : 'read';
    await expectEnd(input, walk.summary().entries, tail);
  } finally {
    await input.close();
  }
}

/** Remembers what an image holds so far, and refuses what does not go with it. */
export class ImageWalk {
  readonly #limits: PackageLimits;
  readonly root: ImageRoot;
  readonly #known = new Map<string, Known>();
  /** Target of every symbolic link. */
  readonly #links = new Map<string, string>();
  readonly #files: string[] | undefined;
  #entries = 0;
  #nameBytes = 0;
  #regularFiles = 0;
  #installedBytes = 0;

  constructor(
    limits: PackageLimits,
    options: { readonly listFiles?: boolean; readonly root?: ImageRoot } = {},
  ) {
    this.#limits = limits;
    this.root = options.root ?? 'image-folder';
    this.#files = options.listFiles === true ? [] : undefined;
  }

  /** Throws `gpkg-image-*`. */
  add(entry: TarEntry): ImageEntry {
    const path = this.#place(entry.path);
    this.#count(path);
    if (path === '' && entry.type !== 'directory') {
      throw refused('gpkg-image-outside', entry, `is a ${entry.type}, not a folder`);
    }
    this.#checkParents(entry, path);
    this.#checkNew(entry, path);
    const { type, linkPath } = this.#linked(entry, path);
    this.#known.set(path, type === 'directory' || type === 'symlink' ? type : 'file');
    this.#sum(type, entry.size, path);
    const { size, mode, uid, gid, uname, gname, mtimeSeconds } = entry;
    return { path, type, linkPath, size, mode, uid, gid, uname, gname, mtimeSeconds };
  }

  summary(): ImageSummary {
    return {
      entries: this.#entries,
      regularFiles: this.#regularFiles,
      installedBytes: this.#installedBytes,
      files: this.#files,
    };
  }

  /** The path below the image. */
  #place(path: string): string {
    const shown = JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}...` : path);
    const details = { path: shown };
    if (path.startsWith('/')) {
      throw refusal('gpkg-image-absolute', `The image path ${shown} is absolute.`, { details });
    }
    const segments = path.split('/');
    if (segments.includes('..')) {
      throw refusal('gpkg-image-traversal', `The image path ${shown} contains "..".`, { details });
    }
    const below = pathBelow(this.root, path);
    if (below === undefined) {
      const where = this.root === 'image-folder' ? 'below image/' : 'from the root of the archive';
      throw refusal('gpkg-image-outside', `The image path ${shown} is not a plain path ${where}.`, {
        details,
      });
    }
    const { pathBytes, pathDepth } = this.#limits;
    if (
      Buffer.byteLength(path) > pathBytes ||
      segments.length > pathDepth ||
      segments.some((segment) => Buffer.byteLength(segment) > SEGMENT_BYTES)
    ) {
      throw refusal(
        'gpkg-image-path-too-long',
        `The image path ${shown} is longer than ${pathBytes} bytes or ${pathDepth} segments of ${SEGMENT_BYTES}.`,
        { details },
      );
    }
    return below;
  }

  #count(path: string): void {
    this.#entries += 1;
    this.#countName(path);
  }

  #countName(name: string): void {
    this.#nameBytes += Buffer.byteLength(name);
    const { imageEntries: most, imageNameBytes } = this.#limits;
    if (this.#entries > most || this.#nameBytes > imageNameBytes) {
      throw refusal(
        'gpkg-image-too-many-entries',
        `The image has more than ${most} entries or ${imageNameBytes} bytes of names.`,
        { details: { imageEntries: most, imageNameBytes } },
      );
    }
  }

  /** Remembers folders that have no entry of their own, so that a link cannot take their place later. */
  #checkParents(entry: TarEntry, path: string): void {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const parent = path.slice(0, slash);
      const known = this.#known.get(parent);
      if (known === 'file' || known === 'symlink') {
        throw refused('gpkg-image-through-symlink', entry, `leads through the ${known} ${parent}`);
      }
      if (known !== undefined) {
        return;
      }
      this.#nameBytes += slash;
      this.#known.set(parent, 'implied-directory');
    }
  }

  #checkNew(entry: TarEntry, path: string): void {
    const known = this.#known.get(path);
    if (known === 'implied-directory' && entry.type !== 'directory') {
      throw refused('gpkg-image-through-symlink', entry, 'takes the place of a folder');
    }
    if (known !== undefined && known !== 'implied-directory') {
      throw refused('gpkg-image-duplicate', entry, 'is there twice');
    }
  }

  /**
   * A hard link to a symbolic link is the same symbolic link. Python's tarfile, which unpacks a GPKG, never writes
   * one; reading one, it gives the mode of the entry to whatever the link points to, on the client itself.
   */
  #linked(entry: TarEntry, path: string): Pick<ImageEntry, 'type' | 'linkPath'> {
    const { type, linkPath } = entry;
    if (type === 'character-device' || type === 'block-device' || type === 'fifo') {
      throw refused('gpkg-image-device', entry, `is a ${type}`);
    }
    const hardLinkTarget = type === 'hardlink' ? this.#hardLinkTarget(entry) : '';
    const symbolic = type === 'symlink' ? linkPath : this.#links.get(hardLinkTarget);
    if (symbolic === undefined) {
      return { type, linkPath: hardLinkTarget };
    }
    if (type === 'hardlink' && this.root === 'image-folder') {
      throw refused('gpkg-image-hardlink', entry, 'is a hard link to a symbolic link');
    }
    if (symbolic === '' || Buffer.byteLength(symbolic) > LINK_BYTES) {
      throw refused(
        'gpkg-image-link',
        entry,
        `is a symbolic link to ${symbolic.length} characters`,
      );
    }
    this.#countName(symbolic);
    this.#links.set(path, symbolic);
    return { type: 'symlink', linkPath: symbolic };
  }

  /** Python's tarfile, which unpacks a GPKG, finds the target by its name as it stands. */
  #hardLinkTarget(entry: TarEntry): string {
    const sameForm =
      this.root === 'archive-root' ||
      entry.linkPath.startsWith('./') === entry.path.startsWith('./');
    const target = pathBelow(this.root, entry.linkPath) ?? '';
    const known = this.#known.get(target);
    if (!sameForm || (known !== 'file' && known !== 'symlink')) {
      const shown = JSON.stringify(entry.linkPath);
      throw refused('gpkg-image-hardlink', entry, `is a hard link to ${shown}, no earlier file`);
    }
    return target;
  }

  #sum(type: NewTarEntryType, size: number, path: string): void {
    if (type === 'file') {
      this.#regularFiles += 1;
      this.#installedBytes += size;
    }
    if (type === 'file' || type === 'hardlink') {
      this.#files?.push(path);
    }
  }
}

/** A `./` before the path, which tar programs add and Portage tolerates, is passed over. */
function pathBelow(root: ImageRoot, path: string): string | undefined {
  if (root === 'archive-root' && path === '.') {
    return '';
  }
  const segments = (path.startsWith('./') ? path.slice(2) : path).split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return undefined;
  }
  if (root === 'archive-root') {
    return segments.join('/');
  }
  return segments[0] === IMAGE_FOLDER ? segments.slice(1).join('/') : undefined;
}

function refused(code: Parameters<typeof refusal>[0], entry: TarEntry, why: string): Error {
  return refusal(code, `The image path ${JSON.stringify(entry.path)} ${why}.`, {
    details: { path: entry.path },
  });
}
