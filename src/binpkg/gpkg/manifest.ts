import { refusal } from './refusals.ts';

/** One `DATA` line. Digests are lowercase hex. */
export interface ManifestRecord {
  /** Without the base. */
  readonly name: string;
  readonly size: number;
  readonly blake2b: string;
  readonly sha512: string;
}

const HEX_512 = /^[0-9a-f]{128}$/;
/** Portage finds a digest by the first field that is the name of its hash, the name of the member included. */
const HASHES: readonly string[] = ['BLAKE2B', 'SHA512'];
const CONTROL = /[\p{Cc}\u0085\u2028\u2029]/u;

/**
 * Reads the text of a Manifest, signature taken off: `DATA <name> <size> <HASH> <hex> ...` on every line
 * (`portage/gpkg.py:_load_manifest`). Hash names other than BLAKE2B and SHA512 are passed over. Empty lines are
 * allowed, and CR LF line ends.
 *
 * Throws `gpkg-manifest-invalid`, `gpkg-manifest-duplicate`, `gpkg-hash-missing`.
 */
export function parseManifest(text: string): Map<string, ManifestRecord> {
  const records = new Map<string, ManifestRecord>();
  for (const line of text.split(/\r\n|\n/)) {
    if (line === '') {
      continue;
    }
    const record = parseLine(line);
    if (records.has(record.name)) {
      throw refusal('gpkg-manifest-duplicate', `The Manifest lists ${record.name} twice.`, {
        details: { name: record.name },
      });
    }
    records.set(record.name, record);
  }
  return records;
}

/** The opposite of `parseManifest`. */
export function formatManifest(records: Iterable<ManifestRecord>): string {
  return [...records]
    .map(
      ({ name, size, blake2b, sha512 }) =>
        `DATA ${name} ${size} BLAKE2B ${blake2b} SHA512 ${sha512}\n`,
    )
    .join('');
}

function parseLine(line: string): ManifestRecord {
  const fields = line
    .replace(/^[ \t]+/, '')
    .replace(/[ \t]+$/, '')
    .split(/[ \t]+/);
  const [tag, name, size, ...hashes] = fields;
  if (
    tag !== 'DATA' ||
    name === undefined ||
    size === undefined ||
    HASHES.includes(name) ||
    CONTROL.test(line.replaceAll('\t', ' '))
  ) {
    throw invalid(line, 'is not DATA <name> <size> <HASH> <hex>');
  }
  if (!/^[0-9]{1,15}$/.test(size)) {
    throw invalid(line, `has the size ${size}`);
  }
  const byName = hashPairs(hashes, line);
  return {
    name,
    size: Number(size),
    blake2b: hashOf(byName, 'BLAKE2B', { name, line }),
    sha512: hashOf(byName, 'SHA512', { name, line }),
  };
}

function hashPairs(fields: readonly string[], line: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let index = 0; index < fields.length; index += 2) {
    const [hash, hex] = fields.slice(index, index + 2);
    if (hash === undefined || hex === undefined || pairs.has(hash)) {
      throw invalid(line, `does not give ${hash ?? 'a hash'} exactly once with its value`);
    }
    pairs.set(hash, hex);
  }
  return pairs;
}

function hashOf(
  pairs: ReadonlyMap<string, string>,
  hash: string,
  at: { readonly name: string; readonly line: string },
): string {
  const hex = pairs.get(hash)?.toLowerCase();
  if (hex === undefined) {
    throw refusal('gpkg-hash-missing', `The Manifest gives no ${hash} for ${at.name}.`, {
      details: { name: at.name, hash },
    });
  }
  if (!HEX_512.test(hex)) {
    throw invalid(at.line, `has a malformed ${hash}`);
  }
  return hex;
}

function invalid(line: string, why: string): Error {
  const shown = JSON.stringify(line.length > 120 ? `${line.slice(0, 120)}...` : line);
  return refusal('gpkg-manifest-invalid', `The line ${shown} of the Manifest ${why}.`, {
    details: { line: shown },
  });
}
