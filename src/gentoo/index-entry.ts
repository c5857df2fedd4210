import { AppError } from '../support/errors.ts';
import { parseCpv } from './cpv.ts';
import { formatIndexStanza } from './packages-index.ts';
import { foldWhitespace } from './whitespace.ts';

/**
 * Keys of a package's metadata that go into its index entry (`portage/dbapi/bintree.py:bindbapi`, `_aux_cache_keys`).
 * `repository` is written as REPO.
 */
export const INDEXED_METADATA_KEYS = [
  'BDEPEND',
  'BUILD_TIME',
  'CHOST',
  'DEFINED_PHASES',
  'DEPEND',
  'EAPI',
  'IDEPEND',
  'IUSE',
  'KEYWORDS',
  'LICENSE',
  'PDEPEND',
  'PROPERTIES',
  'PROVIDES',
  'RDEPEND',
  'REQUIRES',
  'RESTRICT',
  'SLOT',
  'USE',
  'repository',
] as const;

/** What the index says about a package file. */
export interface IndexedFile {
  readonly cpv: string;
  /** Relative to the binhost, ends in `.gpkg.tar`. */
  readonly path: string;
  readonly buildId: number;
  /** Bytes of the file. */
  readonly size: number;
  /** Lowercase hex. */
  readonly md5: string;
  readonly sha1: string;
  readonly mtimeSeconds: number;
  /** Keys of the package, in any white space; those the index does not know are left out. */
  readonly metadata: Readonly<Record<string, string>>;
}

const PATH = /^(?:[A-Za-z0-9_][A-Za-z0-9_+.-]*\/)*[A-Za-z0-9_][A-Za-z0-9_+.-]*\.gpkg\.tar$/;
const HEX = { md5: /^[0-9a-f]{32}$/, sha1: /^[0-9a-f]{40}$/ } as const;
const WHOLE_NUMBER = /^\d+$/;

/**
 * The stanza of a package, without the empty line behind it, as Portage would write it.
 *
 * Throws `invalid-cpv`, and `invalid-index-entry` for what would break clients: a path that leads elsewhere, digests
 * that are none, numbers that are not whole, control characters in a value.
 */
export function formatIndexEntry(file: IndexedFile): string {
  parseCpv(file.cpv);
  const values: Record<string, string> = {};
  for (const key of INDEXED_METADATA_KEYS) {
    values[key === 'repository' ? 'REPO' : key] = foldWhitespace(file.metadata[key] ?? '');
  }
  check(file, WHOLE_NUMBER.test(values['BUILD_TIME'] ?? ''), 'BUILD_TIME', values['BUILD_TIME']);
  check(file, PATH.test(file.path), 'PATH', file.path);
  check(file, HEX.md5.test(file.md5), 'MD5', file.md5);
  check(file, HEX.sha1.test(file.sha1), 'SHA1', file.sha1);
  const numbers = { BUILD_ID: file.buildId, SIZE: file.size, MTIME: file.mtimeSeconds };
  for (const [key, number] of Object.entries(numbers)) {
    check(file, Number.isSafeInteger(number) && number >= 0, key, String(number));
    values[key] = String(number);
  }
  const { cpv: CPV, md5: MD5, sha1: SHA1, path: PATH_VALUE } = file;
  return formatIndexStanza({ ...values, CPV, MD5, SHA1, PATH: PATH_VALUE }, 'entry');
}

function check({ cpv }: IndexedFile, holds: boolean, key: string, value: string | undefined): void {
  if (!holds) {
    const shown = (value ?? '').slice(0, 200);
    throw new AppError('invalid-index-entry', `${cpv} cannot have the ${key} "${shown}".`, {
      details: { cpv, key, value: shown },
    });
  }
}
