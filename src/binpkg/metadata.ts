import { isUtf8 } from 'node:buffer';
import { parseCpv } from '../gentoo/cpv.ts';
import { foldWhitespace } from '../gentoo/whitespace.ts';
import { AppError, isAppError } from '../support/errors.ts';
import type { NeededEntry } from './elf/soname-deps.ts';
import {
  checkDependencies,
  checkEapi,
  checkWordString,
  invalidValue,
  type NeededFile,
  parseNeeded,
  parseNeededElf,
  parseRevisions,
  parseSonames,
  type SonameGroup,
} from './metadata-values.ts';

export type DependencyKey = 'BDEPEND' | 'DEPEND' | 'IDEPEND' | 'PDEPEND' | 'RDEPEND';

/** The metadata of a package, typed. Everything has been checked for form. */
export interface PackageMetadata {
  /** `category/PF`. */
  readonly cpv: string;
  readonly category: string;
  readonly pf: string;
  /** `slot` or `slot/sub-slot`, as in the package. */
  readonly slot: string;
  /** `0` when absent, and then its rules hold. */
  readonly eapi: string;
  readonly buildId: number | undefined;
  readonly buildTimeSeconds: number | undefined;
  readonly chost: string | undefined;
  readonly cbuild: string | undefined;
  readonly ctarget: string | undefined;
  readonly cflags: string | undefined;
  readonly cxxflags: string | undefined;
  readonly ldflags: string | undefined;
  /** FEATURES of the build. */
  readonly features: readonly string[];
  /** PKGUSE: what package.use said. */
  readonly pkgUse: readonly string[];
  readonly use: readonly string[];
  /** Words as they stand, with their `+` and `-`. */
  readonly iuse: readonly string[];
  readonly iuseEffective: readonly string[];
  readonly keywords: readonly string[];
  /** Empty for `-`. */
  readonly definedPhases: readonly string[];
  readonly inherited: readonly string[];
  readonly description: string | undefined;
  readonly homepage: string | undefined;
  /** `repository`: its name. */
  readonly repository: string | undefined;
  /** Repository to revision, of the ebuild and of its eclasses. */
  readonly repoRevisions: Readonly<Record<string, string>>;
  /** Undefined for `/`. */
  readonly eprefix: string | undefined;
  /** Already evaluated for USE; every atom is valid in the EAPI. Empty where there are none. */
  readonly dependencies: Readonly<Record<DependencyKey, string>>;
  readonly license: string;
  readonly properties: string;
  readonly restrict: string;
  readonly requires: readonly SonameGroup[];
  readonly provides: readonly SonameGroup[];
  /** NEEDED.ELF.2. */
  readonly neededElf: readonly NeededEntry[];
  readonly needed: readonly NeededFile[];
  /** SIZE: installed bytes, not the size of the package file. */
  readonly installedBytes: number | undefined;
  /** Of the installed package that quickpkg packed. */
  readonly counter: number | undefined;
  /**
   * Every text key with whitespace folded to single spaces (`portage/dbapi/bintree.py:_read_metadata`). Binary
   * ones (environment.bz2 and other compressed files), the ebuild copy and keys that are not UTF-8 are left out.
   */
  readonly text: Readonly<Record<string, string>>;
}

const FORMS = {
  CATEGORY: /^[A-Za-z0-9_][A-Za-z0-9+_.-]*$/,
  PF: /^[A-Za-z0-9_][A-Za-z0-9+_.-]*$/,
  SLOT: /^[A-Za-z0-9_][A-Za-z0-9+_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9+_.-]*)?$/,
  EAPI: /^[A-Za-z0-9_][A-Za-z0-9+_.-]*$/,
  BUILD_ID: /^[0-9]{1,9}$/,
  BUILD_TIME: /^[0-9]{1,12}$/,
  SIZE: /^[0-9]{1,15}$/,
  COUNTER: /^[0-9]{1,15}$/,
  EPREFIX: /^\/\S*$/,
  CHOST: /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/,
  KEYWORDS: /^[A-Za-z0-9_~*+ -]+$/,
  DEFINED_PHASES: /^(?:-|[a-z_]+(?: [a-z_]+)*)$/,
  repository: /^[A-Za-z0-9_][A-Za-z0-9_-]*$/,
} as const;
/** Further keys that go into the index, where a control character would break the lines. */
const INDEXED =
  'BDEPEND DEPEND DESCRIPTION HOMEPAGE IDEPEND IUSE LICENSE PDEPEND PROPERTIES PROVIDES RDEPEND REQUIRES RESTRICT USE'.split(
    ' ',
  );
const NO_CONTROL = /^\P{Cc}*$/u;
const USE_FLAG = /^[A-Za-z0-9][A-Za-z0-9+_@.-]*$/;
const IUSE_WORD = /^[+-]?[A-Za-z0-9][A-Za-z0-9+_@.-]*$/;
const BINARY = /\.(?:bz2|gz|xz|zst|ebuild)$/;

/**
 * Reads `VerifiedPackage.metadata` (the keys: `bin/phase-functions.sh:__dyn_install`, PMS 13).
 *
 * Throws `package-invalid-metadata` (details: key, value) for a key that is missing or malformed,
 * `package-invalid-cpv` when CATEGORY/PF is no category/package-version.
 */
export function readMetadata(metadata: ReadonlyMap<string, Buffer>): PackageMetadata {
  const text = readText(metadata);
  for (const [key, form] of Object.entries(FORMS)) {
    checkForm(text, key, form);
  }
  for (const key of INDEXED) {
    checkForm(text, key, NO_CONTROL);
  }
  const category = required(text, 'CATEGORY');
  const pf = required(text, 'PF');
  const eapi = optional(text, 'EAPI') ?? '0';
  const slot = required(text, 'SLOT');
  const flags = flagsOf(text);
  checkEapi(eapi, slot, flags.iuse);
  return {
    cpv: checkedCpv(`${category}/${pf}`),
    category,
    pf,
    slot,
    eapi,
    buildId: numberOf(text, 'BUILD_ID'),
    buildTimeSeconds: numberOf(text, 'BUILD_TIME'),
    installedBytes: numberOf(text, 'SIZE'),
    counter: numberOf(text, 'COUNTER'),
    ...flags,
    ...settingsOf(text),
    ...originOf(text),
    dependencies: dependenciesOf(text, eapi),
    license: wordString(text, 'LICENSE'),
    properties: wordString(text, 'PROPERTIES'),
    restrict: wordString(text, 'RESTRICT'),
    requires: parseSonames('REQUIRES', text['REQUIRES'] ?? ''),
    provides: parseSonames('PROVIDES', text['PROVIDES'] ?? ''),
    neededElf: parseNeededElf('NEEDED.ELF.2', metadata.get('NEEDED.ELF.2')?.toString('utf8') ?? ''),
    needed: parseNeeded(metadata.get('NEEDED')?.toString('utf8') ?? ''),
    text,
  };
}

type Text = Readonly<Record<string, string>>;

function flagsOf(
  text: Text,
): Pick<PackageMetadata, 'use' | 'iuse' | 'iuseEffective' | 'keywords' | 'definedPhases'> {
  return {
    use: flagWords(text, 'USE', USE_FLAG),
    iuse: flagWords(text, 'IUSE', IUSE_WORD),
    iuseEffective: flagWords(text, 'IUSE_EFFECTIVE', IUSE_WORD),
    keywords: wordsOf(text, 'KEYWORDS'),
    definedPhases: wordsOf(text, 'DEFINED_PHASES').filter((phase) => phase !== '-'),
  };
}

function settingsOf(
  text: Text,
): Pick<
  PackageMetadata,
  'chost' | 'cbuild' | 'ctarget' | 'cflags' | 'cxxflags' | 'ldflags' | 'features' | 'pkgUse'
> {
  return {
    chost: optional(text, 'CHOST'),
    cbuild: optional(text, 'CBUILD'),
    ctarget: optional(text, 'CTARGET'),
    cflags: optional(text, 'CFLAGS'),
    cxxflags: optional(text, 'CXXFLAGS'),
    ldflags: optional(text, 'LDFLAGS'),
    features: wordsOf(text, 'FEATURES'),
    pkgUse: wordsOf(text, 'PKGUSE'),
  };
}

function originOf(
  text: Text,
): Pick<
  PackageMetadata,
  'inherited' | 'description' | 'homepage' | 'repository' | 'repoRevisions' | 'eprefix'
> {
  const revisions = optional(text, 'REPO_REVISIONS');
  return {
    inherited: wordsOf(text, 'INHERITED'),
    description: optional(text, 'DESCRIPTION'),
    homepage: optional(text, 'HOMEPAGE'),
    repository: optional(text, 'repository'),
    repoRevisions: revisions === undefined ? {} : parseRevisions('REPO_REVISIONS', revisions),
    eprefix: optional(text, 'EPREFIX'),
  };
}

function dependenciesOf(text: Text, eapi: string): Record<DependencyKey, string> {
  const read = (key: DependencyKey): string => {
    const value = text[key] ?? '';
    checkDependencies(key, value, eapi);
    return value;
  };
  return {
    BDEPEND: read('BDEPEND'),
    DEPEND: read('DEPEND'),
    IDEPEND: read('IDEPEND'),
    PDEPEND: read('PDEPEND'),
    RDEPEND: read('RDEPEND'),
  };
}

function wordString(text: Text, key: string): string {
  const value = text[key] ?? '';
  checkWordString(key, value);
  return value;
}

function checkedCpv(cpv: string): string {
  try {
    return parseCpv(cpv).cpv;
  } catch (error) {
    if (isAppError(error, 'invalid-cpv')) {
      throw new AppError('package-invalid-cpv', `CATEGORY and PF: ${error.message}`, {
        cause: error,
        details: { cpv },
      });
    }
    throw error;
  }
}

function readText(metadata: ReadonlyMap<string, Buffer>): Record<string, string> {
  const text: Record<string, string> = {};
  for (const [key, bytes] of metadata) {
    if (!BINARY.test(key) && key !== '__proto__' && isUtf8(bytes) && !bytes.includes(0)) {
      text[key] = foldWhitespace(bytes.toString('utf8'));
    }
  }
  return text;
}

function checkForm(text: Text, key: string, form: RegExp): void {
  const value = text[key] ?? '';
  if (value !== '' && !form.test(value)) {
    throw invalidValue(key, value, 'has the malformed value');
  }
}

function required(text: Text, key: string): string {
  const value = text[key] ?? '';
  if (value === '') {
    throw missing(key);
  }
  return value;
}

function optional(text: Text, key: string): string | undefined {
  const value = text[key] ?? '';
  return value === '' ? undefined : value;
}

function numberOf(text: Text, key: string): number | undefined {
  const value = optional(text, key);
  return value === undefined ? undefined : Number(value);
}

function wordsOf(text: Text, key: string): string[] {
  return (text[key] ?? '').split(' ').filter(Boolean);
}

function flagWords(text: Text, key: string, form: RegExp): string[] {
  const flags = wordsOf(text, key);
  const wrong = flags.find((flag) => !form.test(flag));
  if (wrong !== undefined) {
    throw invalidValue(key, wrong, 'names the malformed flag');
  }
  return flags;
}

function missing(key: string): AppError {
  return new AppError('package-invalid-metadata', `The metadata key ${key} is missing or empty.`, {
    details: { key, value: '' },
  });
}
