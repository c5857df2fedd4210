import { parseCpv } from '../../gentoo/cpv.ts';
import { isAppError } from '../../support/errors.ts';

/** What the place of a package file says about it (`portage/dbapi/bintree.py:_populate_local`). */
export interface PackagePlace {
  /** Undefined in the folder `All`, where the package itself says it. */
  readonly category: string | undefined;
  readonly pf: string;
  readonly kind: 'gpkg' | 'xpak';
}

const SUFFIXES = [
  ['.gpkg.tar', 'gpkg'],
  ['.tbz2', 'xpak'],
  ['.xpak', 'xpak'],
] as const;
const BUILD_ID = /^(.+)-([1-9][0-9]*)$/;
const ALL = 'All';

/** Whether a file name ends as package files do. */
export function hasPackageSuffix(name: string): boolean {
  return SUFFIXES.some(([suffix]) => name.endsWith(suffix));
}

/**
 * Reads a path relative to the PKGDIR: `CATEGORY/PN/PF-BUILD_ID.gpkg.tar` (or `.xpak`) with several instances,
 * `CATEGORY/PF.gpkg.tar` (or `.tbz2`) with one, or the latter in `All/`. A sentence when Portage would pass it over.
 */
export function readPackagePath(path: string): PackagePlace | string {
  const folders = path.split('/');
  const name = folders.pop() ?? '';
  const found = SUFFIXES.find(([suffix]) => name.endsWith(suffix));
  if (found === undefined) {
    return 'the name is not that of a package';
  }
  const [suffix, kind] = found;
  const stem = name.slice(0, -suffix.length);
  const pf = suffix === '.tbz2' ? undefined : numberedPf(stem);
  if (pf !== undefined) {
    return numbered({ folders, pf, kind });
  }
  return suffix === '.xpak'
    ? 'a file .xpak needs a build id in its name'
    : single({ folders, pf: stem, kind });
}

interface NamedPackage {
  readonly folders: readonly string[];
  readonly pf: string;
  readonly kind: 'gpkg' | 'xpak';
}

/** What stands before a build id; a revision or a version is none (`bintree.py:_parse_build_id`). */
function numberedPf(stem: string): string | undefined {
  const pf = BUILD_ID.exec(stem)?.[1];
  return pf !== undefined && isPackageVersion(pf) ? pf : undefined;
}

function numbered({ folders, pf, kind }: NamedPackage): PackagePlace | string {
  const [category = '', pn = ''] = folders;
  return folders.length === 2 && partsOf(`${category}/${pf}`)?.pn === pn
    ? { category, pf, kind }
    : 'a file with a build id belongs into CATEGORY/PN/';
}

function single({ folders, pf, kind }: NamedPackage): PackagePlace | string {
  const [category = ''] = folders;
  if (folders.length !== 1) {
    return 'a file without a build id belongs into CATEGORY/';
  }
  if (!isPackageVersion(pf)) {
    return 'the name is no package name and version';
  }
  if (category === ALL) {
    return { category: undefined, pf, kind };
  }
  return partsOf(`${category}/${pf}`) === undefined
    ? `"${category}" is not a category`
    : { category, pf, kind };
}

function isPackageVersion(pf: string): boolean {
  return partsOf(`category/${pf}`) !== undefined;
}

function partsOf(cpv: string): ReturnType<typeof parseCpv> | undefined {
  try {
    return parseCpv(cpv);
  } catch (error) {
    if (isAppError(error, 'invalid-cpv')) {
      return undefined;
    }
    throw error;
  }
}
