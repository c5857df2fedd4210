import { type Dirent, lstatSync, readdirSync, type Stats } from 'node:fs';
import { isErrno } from '../../support/errors.ts';
import { hasPackageSuffix } from './package-path.ts';

/** A regular file with the name of a package, at a depth where packages are. */
export interface FoundFile {
  /** Relative to the PKGDIR. */
  readonly path: string;
  readonly size: number;
  /** Whole seconds, rounded down, but the last nanoseconds of a second count as the next one (`exactSeconds`). */
  readonly mtimeSeconds: number;
}

/** Something in the PKGDIR that Portage passes over, and why. */
export interface Ignored {
  readonly path: string;
  readonly reason: string;
}

export interface FolderScan {
  readonly pkgdir: string;
  /** A folder's own files before those of its folders, names in order. */
  readonly files: readonly FoundFile[];
  readonly ignored: readonly Ignored[];
}

/** `CATEGORY/PN`: deeper folders hold nothing that Portage takes. */
export const MAX_DEPTH = 2;

/**
 * Lists the package files of a PKGDIR. Symbolic links are not followed (`os.walk` in
 * `portage/dbapi/bintree.py:_populate_local`). Works on this thread: handing two short system calls for each
 * package to another one would take longer than they do.
 *
 * Throws the system's error when the PKGDIR itself cannot be listed.
 */
export function scanFolder(pkgdir: string): FolderScan {
  const scan = { pkgdir, files: [], ignored: [] };
  lookAtFolder(scan, '', readdirSync(pkgdir, { withFileTypes: true }));
  return scan;
}

interface Scan {
  readonly pkgdir: string;
  readonly files: FoundFile[];
  readonly ignored: Ignored[];
}

/** A folder that may have folders with packages below it. */
function lookAtFolder(scan: Scan, prefix: string, entries: readonly Dirent[]): void {
  const below: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) {
      below.push(entry.name);
    } else if (hasPackageSuffix(entry.name)) {
      lookAtFile(scan, prefix + entry.name);
    }
  }
  const isLast = prefix !== '';
  for (const name of below) {
    const folder = prefix + name;
    try {
      if (isLast) {
        lookAtLastFolder(scan, folder);
      } else {
        const inside = readdirSync(`${scan.pkgdir}/${folder}`, { withFileTypes: true });
        lookAtFolder(scan, `${folder}/`, inside);
      }
    } catch (error) {
      if (!isErrno(error, 'EACCES') && !isErrno(error, 'ENOENT')) {
        throw error;
      }
      scan.ignored.push({ path: `${folder}/`, reason: 'the folder cannot be read' });
    }
  }
}

/** A folder `CATEGORY/PN`, of which there are many. Types are not asked for: all are packages as a rule. */
function lookAtLastFolder(scan: Scan, folder: string): void {
  for (const name of readdirSync(`${scan.pkgdir}/${folder}`).toSorted()) {
    const path = `${folder}/${name}`;
    if (hasPackageSuffix(name)) {
      lookAtFile(scan, path);
    } else if (statIfThere(scan.pkgdir, path)?.isDirectory() === true) {
      const reason = `packages lie at most ${MAX_DEPTH} folders deep`;
      scan.ignored.push({ path: `${path}/`, reason });
    }
  }
}

function lookAtFile(scan: Scan, path: string): void {
  const stat = statIfThere(scan.pkgdir, path);
  if (stat === undefined) {
    return;
  }
  if (!stat.isFile()) {
    const reason = stat.isSymbolicLink() ? 'it is a symbolic link' : 'it is not a regular file';
    scan.ignored.push({ path, reason });
  } else if (stat.size === 0) {
    scan.ignored.push({ path, reason: 'it is empty: the place of a build that is not done' });
  } else {
    scan.files.push({ path, size: stat.size, mtimeSeconds: Math.floor(stat.mtimeMs / 1000) });
  }
}

/** The seconds of a file without rounding. Asking every file in this way would take longer. */
export function exactSeconds(pkgdir: string, path: string): number {
  const stat = lstatSync(`${pkgdir}/${path}`, { bigint: true, throwIfNoEntry: false });
  return Number((stat?.mtimeNs ?? 0n) / 1_000_000_000n);
}

function statIfThere(pkgdir: string, path: string): Stats | undefined {
  return lstatSync(`${pkgdir}/${path}`, { throwIfNoEntry: false });
}
