import { AppError } from '../support/errors.ts';
import { parseTreeId } from './tree-id.ts';

/** One line of a MANIFEST. */
export type ManifestEntry = {
  /** Below the tree, without a slash at either end. */
  readonly path: string;
} & (
  | { readonly type: 'directory'; readonly mode: number }
  | {
      readonly type: 'file';
      readonly mode: number;
      /** Lowercase hex. */
      readonly sha256: string;
      readonly bytes: number;
    }
  | { readonly type: 'link'; readonly target: string }
);

export interface Manifest {
  readonly id: string;
  /** Sorted by the bytes of the path. */
  readonly entries: readonly ManifestEntry[];
}

export const MANIFEST = 'MANIFEST';
export const MANIFEST_SIGNATURE = 'MANIFEST.sig';
export const META = 'META.json';

const FIRST_LINE = 'rookery-php-manifest 1';
const WORD = /^[A-Za-z0-9._+@,=~%:-]+$/;
const MODE = /^0[0-7]{3}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const BYTES = /^(?:0|[1-9][0-9]{0,14})$/;
const PATH_BYTES = 512;

/** Why a path cannot stand in a MANIFEST; undefined when it can. */
export function faultOfPath(path: string): string | undefined {
  if (path.length > PATH_BYTES) {
    return `has more than ${PATH_BYTES} characters`;
  }
  const names = path.split('/');
  if (names.some((name) => name === '' || name === '.' || name === '..')) {
    return 'has an empty name, "." or ".." in it';
  }
  return names.every((name) => WORD.test(name))
    ? undefined
    : 'has other characters than letters, digits and ._+@,=~%:-';
}

/**
 * Why a link cannot be; undefined when it can. The target is relative and leads nowhere outside, through no other link
 * of the tree either: that is why ".." may only stand at its beginning.
 */
export function faultOfLink(path: string, target: string): string | undefined {
  const names = target.split('/');
  const up = names.findIndex((name) => name !== '..');
  const rest = up === -1 ? [] : names.slice(up);
  if (
    target.length > PATH_BYTES ||
    (rest.length > 0 && faultOfPath(rest.join('/')) !== undefined)
  ) {
    return 'is absolute, too long, or has "." or ".." inside or other characters than letters, digits and ._+@,=~%:-';
  }
  const depth = path.split('/').length - 1;
  return names.length - rest.length > depth ? 'leads out of the tree' : undefined;
}

/** Why a mode cannot be; undefined when it can: permission bits only, and no writing for group and others. */
export function faultOfMode(mode: number): string | undefined {
  if ((mode & ~0o777) !== 0) {
    return 'has a set-id or sticky bit';
  }
  return (mode & 0o022) === 0 ? undefined : 'lets group or others write';
}

/** The text of a MANIFEST: docs/decisions/0025. */
export function formatManifest({ id, entries }: Manifest): string {
  const sorted = entries.toSorted((a, b) =>
    Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)),
  );
  return `${[FIRST_LINE, `id ${id}`, ...sorted.map(lineOf)].join('\n')}\n`;
}

function lineOf(entry: ManifestEntry): string {
  if (entry.type === 'directory') {
    return `d ${octal(entry.mode)} - - ${entry.path}`;
  }
  return entry.type === 'file'
    ? `f ${octal(entry.mode)} ${entry.sha256} ${entry.bytes} ${entry.path}`
    : `l - - - ${entry.path} -> ${entry.target}`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/**
 * Reads a MANIFEST; only the very text that `formatManifest` writes is taken. Throws `php-manifest-invalid`, naming
 * the line.
 */
export function parseManifest(text: string): Manifest {
  const lines = text.split('\n');
  const [first, second = '', ...rest] = lines;
  const id = second.startsWith('id ') ? second.slice(3) : '';
  if (first !== FIRST_LINE) {
    throw invalid(1, first ?? '', `has to be "${FIRST_LINE}"`);
  }
  if (parseTreeId(id) === undefined) {
    throw invalid(2, second, 'has to name the id of a tree');
  }
  if (rest.pop() !== '') {
    throw invalid(lines.length, lines.at(-1) ?? '', 'does not end with a line feed');
  }
  const entries = rest.map((line, index) => entryOf(line, index + 3));
  entries.forEach(({ path }, index) => {
    const before = entries[index - 1];
    if (before !== undefined && Buffer.compare(Buffer.from(before.path), Buffer.from(path)) >= 0) {
      throw invalid(index + 3, path, 'is not behind the path of the line before');
    }
  });
  return { id, entries };
}

function entryOf(line: string, number: number): ManifestEntry {
  const [kind = '', mode = '', sha256 = '', bytes = '', path = '', ...more] = line.split(' ');
  const fault = faultOfPath(path);
  if (fault !== undefined) {
    throw invalid(number, line, `names a path that ${fault}`);
  }
  if (kind === 'l') {
    return linkOf({ line, number, path, columns: [mode, sha256, bytes], more });
  }
  const bits = MODE.test(mode) ? Number.parseInt(mode, 8) : 0o7777;
  const entry = faultOfMode(bits) ?? more[0] ?? plainEntry({ kind, bits, sha256, bytes, path });
  if (typeof entry !== 'object') {
    throw invalid(number, line, 'is no line of a folder, a file or a link');
  }
  return entry;
}

function plainEntry(parts: {
  readonly kind: string;
  readonly bits: number;
  readonly sha256: string;
  readonly bytes: string;
  readonly path: string;
}): ManifestEntry | undefined {
  const { kind, bits, sha256, bytes, path } = parts;
  if (kind === 'd' && sha256 === '-' && bytes === '-') {
    return { type: 'directory', mode: bits, path };
  }
  return kind === 'f' && SHA256.test(sha256) && BYTES.test(bytes)
    ? { type: 'file', mode: bits, sha256, bytes: Number(bytes), path }
    : undefined;
}

function linkOf(parts: {
  readonly line: string;
  readonly number: number;
  readonly path: string;
  readonly columns: readonly string[];
  readonly more: readonly string[];
}): ManifestEntry {
  const { line, number, path, columns, more } = parts;
  const [arrow, target = '', ...rest] = more;
  const isWhole = arrow === '->' && rest.length === 0 && columns.every((one) => one === '-');
  if (!isWhole || faultOfLink(path, target) !== undefined) {
    throw invalid(
      number,
      line,
      `is no link whose target ${faultOfLink(path, target) ?? 'follows ->'}`,
    );
  }
  return { type: 'link', target, path };
}

function invalid(number: number, line: string, why: string): AppError {
  const shown = JSON.stringify(line.slice(0, 200));
  return new AppError(
    'php-manifest-invalid',
    `Line ${number} of the MANIFEST of a PHP tree, ${shown}, ${why}.`,
    { details: { line: number } },
  );
}

/** What two trees have that differs, by path. */
export interface ManifestDifference {
  readonly added: readonly ManifestEntry[];
  readonly removed: readonly ManifestEntry[];
  readonly changed: readonly { readonly before: ManifestEntry; readonly after: ManifestEntry }[];
}

/** What became of the tree of one manifest in that of another. */
export function compareManifests(
  before: readonly ManifestEntry[],
  after: readonly ManifestEntry[],
): ManifestDifference {
  const [old, fresh] = [before, after].map((all) => new Map(all.map((one) => [one.path, one])));
  return {
    added: after.filter(({ path }) => old?.has(path) !== true),
    removed: before.filter(({ path }) => fresh?.has(path) !== true),
    changed: after.flatMap((entry) => {
      const former = old?.get(entry.path);
      return former === undefined || lineOf(former) === lineOf(entry)
        ? []
        : [{ before: former, after: entry }];
    }),
  };
}

/** Files and their bytes. */
export function sizeOf(entries: readonly ManifestEntry[]): {
  readonly files: number;
  readonly bytes: number;
} {
  const files = entries.flatMap((entry) => (entry.type === 'file' ? [entry.bytes] : []));
  return { files: files.length, bytes: files.reduce((sum, bytes) => sum + bytes, 0) };
}
