import { isUtf8 } from 'node:buffer';
import { digestOf } from '../support/digests.ts';
import type { FileFacts, PackageContents } from './diff-contents.ts';

export type FileAspect = 'type' | 'content' | 'size' | 'mode' | 'owner' | 'link-target';

/** A path that is only in one package, or not the same in both. */
export type FileChange =
  | { readonly kind: 'added'; readonly path: string; readonly after: FileFacts }
  | { readonly kind: 'removed'; readonly path: string; readonly before: FileFacts }
  | {
      readonly kind: 'changed';
      readonly path: string;
      readonly aspects: readonly FileAspect[];
      readonly before: FileFacts;
      readonly after: FileFacts;
    };

/** A metadata key that is only in one package, or has other bytes. */
export interface KeyChange {
  readonly key: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Whether the key differs between any two builds. */
  readonly isNoise: boolean;
  /** Text with whitespace folded; size and digest of what is long, binary or an ebuild. Absent where the key is. */
  readonly before?: string;
  readonly after?: string;
  /** Of a list of words: those that came and went. */
  readonly words?: { readonly added: readonly string[]; readonly removed: readonly string[] };
}

export interface PackageDiff {
  /** By path. */
  readonly files: readonly FileChange[];
  /** By key. */
  readonly keys: readonly KeyChange[];
}

/** What a build writes anew each time, whatever it builds. */
const NOISE: ReadonlySet<string> = new Set([
  'BINPKGMD5',
  'BUILD_ID',
  'BUILD_TIME',
  'CONTENTS',
  'COUNTER',
  'REPO_REVISIONS',
  'ROOKERY_PROVENANCE',
  'environment.bz2',
]);
const WORD_LISTS: ReadonlySet<string> = new Set(
  'BDEPEND DEFINED_PHASES DEPEND FEATURES IDEPEND INHERITED IUSE IUSE_EFFECTIVE KEYWORDS LICENSE PDEPEND PKGUSE PROPERTIES PROVIDES RDEPEND REQUIRES RESTRICT USE'.split(
    ' ',
  ),
);
const TEXT_BYTES = 4096;

/** Compares two packages file by file and key by key. Times of files are not looked at. */
export function diffPackages(before: PackageContents, after: PackageContents): PackageDiff {
  return {
    files: pathsOf(before.files, after.files).flatMap((path) => fileChange(path, before, after)),
    keys: pathsOf(before.metadata, after.metadata).flatMap((key) => keyChange(key, before, after)),
  };
}

/** Whether there is any difference, those of keys that are noise left out unless they count. */
export function isDifferent({ files, keys }: PackageDiff, noise: 'counts' | 'is-ignored'): boolean {
  return files.length > 0 || keys.some(({ isNoise }) => !isNoise || noise === 'counts');
}

function pathsOf(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].toSorted((x, y) => (x < y ? -1 : 1));
}

function fileChange(
  path: string,
  { files: old }: PackageContents,
  { files: young }: PackageContents,
): FileChange[] {
  const before = old.get(path);
  const after = young.get(path);
  if (before === undefined) {
    return after === undefined ? [] : [{ kind: 'added', path, after }];
  }
  if (after === undefined) {
    return [{ kind: 'removed', path, before }];
  }
  const aspects = changedAspects(before, after);
  return aspects.length === 0 ? [] : [{ kind: 'changed', path, aspects, before, after }];
}

function changedAspects(before: FileFacts, after: FileFacts): FileAspect[] {
  const aspects: readonly (readonly [FileAspect, keyof FileFacts])[] = [
    ['type', 'type'],
    ['content', 'sha256'],
    ['size', 'size'],
    ['mode', 'mode'],
    ['owner', 'owner'],
    ['link-target', 'linkTarget'],
  ];
  const changed = aspects.filter(([, fact]) => before[fact] !== after[fact]);
  return before.type === after.type ? changed.map(([aspect]) => aspect) : ['type'];
}

function keyChange(
  key: string,
  { metadata: old }: PackageContents,
  { metadata: young }: PackageContents,
): KeyChange[] {
  const before = old.get(key);
  const after = young.get(key);
  const isNoise = NOISE.has(key);
  if (before === undefined) {
    return after === undefined
      ? []
      : [{ key, kind: 'added', isNoise, after: readable(key, after) }];
  }
  if (after === undefined) {
    return [{ key, kind: 'removed', isNoise, before: readable(key, before) }];
  }
  if (before.equals(after)) {
    return [];
  }
  const texts = { before: readable(key, before), after: readable(key, after) };
  const change = { key, kind: 'changed' as const, isNoise, ...texts };
  return [WORD_LISTS.has(key) ? { ...change, words: wordsBetween(before, after) } : change];
}

function readable(key: string, value: Buffer): string {
  if (
    !key.endsWith('.ebuild') &&
    value.length <= TEXT_BYTES &&
    isUtf8(value) &&
    !value.includes(0)
  ) {
    return fold(value);
  }
  return `${value.length} bytes, SHA-256 ${digestOf('sha256', value)}`;
}

function fold(value: Buffer): string {
  return value.toString('utf8').split(/\s+/).filter(Boolean).join(' ');
}

function wordsBetween(before: Buffer, after: Buffer): NonNullable<KeyChange['words']> {
  const old = new Set(fold(before).split(' ').filter(Boolean));
  const young = new Set(fold(after).split(' ').filter(Boolean));
  return {
    added: [...young].filter((word) => !old.has(word)),
    removed: [...old].filter((word) => !young.has(word)),
  };
}
