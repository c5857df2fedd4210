import { stanzaValue } from '../../gentoo/index-scan.ts';
import type { PackageVerifier } from '../package-signer.ts';
import { findDuplicates, writtenStanza } from './assemble-index.ts';
import { compareWithFolder, completed, type DueFile, type KeptEntry } from './compare.ts';
import { checkCompressedIndex, type KnownIndex, readKnownIndex } from './known-index.ts';
import { openPkgdir } from './open-pkgdir.ts';
import type { ReadPackage, RefusedFile } from './read-package.ts';
import type { SizedRequest } from './read-packages.ts';
import { type Ignored, scanFolder } from './scan-folder.ts';

/** What can be wrong between an index and its packages. */
export const FINDING_KINDS = {
  missing: 'a package that is not in the index',
  changed: 'a package whose size or time is not that of its entry',
  incomplete: 'an entry without digests, or without what the package says',
  stale: 'an entry without a package',
  duplicate: 'two packages with one CPV and BUILD_ID, or two entries for one file',
  'bad-cpv': 'an entry whose CPV is none or not that of its file; Portage may crash on it',
  unreadable: 'a file with the name of a package that Portage does not take for one',
  'wrong-hash': 'a package whose bytes are not those of its entry',
  'wrong-value': 'an entry that says something else than its package',
  'damaged-index': 'lines that hide packages or have no meaning, or a time that is not TIMESTAMP',
  'compressed-index': 'Packages.gz is missing, of another time or of other content',
} as const;

export interface Finding {
  readonly kind: keyof typeof FINDING_KINDS;
  /** Relative to the PKGDIR; null when it is about the index itself. */
  readonly path: string | null;
  readonly message: string;
}

export interface CheckOptions {
  /** Read and hash every package, also those whose size and time agree. */
  readonly deep?: boolean | undefined;
  readonly verifier?: PackageVerifier | undefined;
  readonly threads?: number | undefined;
  readonly onRead?: (files: number) => (done: number) => void;
}

export interface CheckOutcome {
  /** Entries that hold. */
  readonly packages: number;
  readonly findings: readonly Finding[];
  readonly ignored: readonly Ignored[];
}

/**
 * Compares the index of a PKGDIR with what is in it, and changes nothing. Takes no lock: a build that ends
 * meanwhile can be told as a finding.
 *
 * Throws `pkgdir-missing`, `pkgdir-not-accessible`, `index-too-large`, and the system's errors.
 */
export async function checkPkgdir(
  pkgdir: string,
  options: CheckOptions = {},
): Promise<CheckOutcome> {
  const folder = await openPkgdir(pkgdir, 'to-read');
  const known = readKnownIndex(folder);
  const { kept, due, stale, ignored } = compareWithFolder(known, scanFolder(folder));
  const deep = options.deep === true ? kept.map(asRequest) : [];
  const requests: readonly SizedRequest[] = [...due.map(withoutHashing), ...deep];
  const onProgress = requests.length === 0 ? undefined : options.onRead?.(requests.length);
  const { verifier, threads } = options;
  const { readPackages } = await import('./read-packages.ts');
  const results = await readPackages(folder, requests, { verifier, threads, onProgress });
  const findings: Finding[] = [
    ...[...known.faults, ...(await checkCompressedIndex(folder))].map((fault) => ({
      ...fault,
      path: null,
    })),
    ...results.slice(0, due.length).flatMap((result, at) => dueFinding(result, due[at], known)),
    ...stale.map(({ path }) => staleFinding(path)),
    ...results.slice(due.length).flatMap((result, at) => deepFinding(result, kept[at], known)),
    ...duplicateFindings([...kept, ...due.flatMap((one, at) => readEntry(one, results[at]))]),
  ];
  return { packages: kept.length, findings, ignored };
}

function readEntry(
  { path, order }: DueFile,
  result: ReadPackage | RefusedFile | undefined,
): KeptEntry[] {
  return result?.kind === 'package'
    ? [{ path, order, cpv: result.cpv, stanza: result.stanza }]
    : [];
}

/** Whether it can be read is what matters; its digests would be compared with nothing. */
function withoutHashing({ path, size, digests }: DueFile): SizedRequest {
  return { path, size, digests: digests ?? { md5: '', sha1: '' } };
}

function asRequest({ path, stanza }: KeptEntry): SizedRequest {
  return { path, size: Number(stanzaValue(stanza, 'SIZE')) };
}

function dueFinding(
  result: ReadPackage | RefusedFile,
  due: DueFile | undefined,
  known: KnownIndex,
): Finding[] {
  if (due === undefined) {
    return [];
  }
  const { path, why, message } = due;
  if (result.kind === 'refused') {
    return [{ kind: 'unreadable', path, message: `${result.message} [${result.code}]` }];
  }
  const listed = known.stanzas.get(path)?.text ?? '';
  const wrong = differingKey(listed, completed(result.stanza, due), known.header);
  return wrong === undefined ? [] : [{ kind: why, path, message }];
}

function staleFinding(path: string): Finding {
  return { kind: 'stale', path, message: 'The index has it, and there is no such package.' };
}

function deepFinding(
  result: ReadPackage | RefusedFile,
  entry: KeptEntry | undefined,
  known: KnownIndex,
): Finding[] {
  if (entry === undefined) {
    return [];
  }
  const { path } = entry;
  if (result.kind === 'refused') {
    return [{ kind: 'unreadable', path, message: `${result.message} [${result.code}]` }];
  }
  for (const [key, name] of [
    ['MD5', 'MD5'],
    ['SHA1', 'SHA1'],
  ] as const) {
    const listed = stanzaValue(entry.stanza, key);
    const found = stanzaValue(result.stanza, key) ?? '';
    if (listed !== undefined && listed !== found) {
      const message = `Its ${name} is ${found}; the index says ${listed}.`;
      return [{ kind: 'wrong-hash', path, message }];
    }
  }
  const right = completed(result.stanza, { known: entry.stanza });
  const wrong = differingKey(entry.stanza, right, known.header);
  return wrong === undefined
    ? []
    : [{ kind: 'wrong-value', path, message: `The index has another ${wrong} for it.` }];
}

/** Keys that belong into no entry do not count: Portage writes REPO_REVISIONS once and drops it the next time. */
function differingKey(
  listed: string,
  right: string,
  header: ReadonlyMap<string, string>,
): string | undefined {
  const [left, other] = [listed, right].map((stanza) =>
    writtenStanza(stanza, header).trimEnd().split('\n'),
  );
  const line =
    left?.find((one) => !other?.includes(one)) ?? other?.find((one) => !left?.includes(one));
  return line === undefined ? undefined : line.slice(0, line.indexOf(':'));
}

function duplicateFindings(entries: readonly KeptEntry[]): Finding[] {
  return findDuplicates(entries).map(({ cpv, paths }) => ({
    kind: 'duplicate',
    path: paths.at(-1) ?? '',
    message: `${cpv} with this BUILD_ID is there ${paths.length} times: ${paths.join(', ')}.`,
  }));
}
