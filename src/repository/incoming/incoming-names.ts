/** Where what was refused goes, in the folder of a profile or in the drop folder itself. */
export const REJECTED = 'rejected';

/** The index of a PKGDIR, and its lock. */
const PORTAGE_OWN = /^Packages(?:\.gz)?$|\.portage_lockfile$/;
/**
 * What Portage writes a package to before it renames it: its name with eight random characters and the process id
 * (`_emerge/EbuildBinpkg.py`), with the process id and random characters (`portage/gpkg.py:update_metadata`), or with
 * `.partial` (`portage/dbapi/bintree.py`).
 */
const UNFINISHED = /\.(?:gpkg\.tar|tbz2|xpak)(?:[a-z0-9_]{8}\.\d+|\.\d+[a-z0-9_]*|\.partial)$/;

/** A file that lies in the drop folder to be imported. */
export interface IncomingName {
  /** Undefined for one that lies in no folder of a profile. */
  readonly profile: string | undefined;
  /** Relative to the folder of the profile, or to the drop folder. */
  readonly file: string;
}

/**
 * What a path relative to the drop folder means; undefined for one that is none of our business: what was refused,
 * hidden names (rsync's temporary files and partial folders), the index of a PKGDIR, packages that Portage is writing.
 */
export function incomingName(path: string): IncomingName | undefined {
  const names = path.split('/');
  const last = names.at(-1) ?? '';
  const isOurs =
    names.every((name) => name !== '' && !name.startsWith('.')) &&
    !PORTAGE_OWN.test(last) &&
    !UNFINISHED.test(last);
  const [first = '', ...rest] = names;
  if (!isOurs || first === REJECTED || (rest.length > 1 && rest[0] === REJECTED)) {
    return undefined;
  }
  return rest.length === 0
    ? { profile: undefined, file: first }
    : { profile: first, file: rest.join('/') };
}

const FORMATS = /^(?:decompression|elf|gpkg|image|incoming|invalid|package|tar|xpak|zstd)-/;
const OTHER_FAULTS: readonly string[] = [
  'metadata-key-invalid',
  'signature-expired-key',
  'signature-invalid',
  'signature-unknown-key',
  'unknown-eapi',
  'unknown-profile',
  'upload-too-large',
];
/** Begin like faults of a package, and are not. */
const NOT_FAULTS: readonly string[] = ['package-not-restored', 'package-path-taken'];

/**
 * Whether an error is the fault of the file, which then will never be imported. Any other (a full disk, an expired
 * signing key, a broken profile, a file that changes) passes, and the file waits for that.
 */
export function isFaultOfFile(code: string): boolean {
  return !NOT_FAULTS.includes(code) && (FORMATS.test(code) || OTHER_FAULTS.includes(code));
}
