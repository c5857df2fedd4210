import { AppError } from '../support/errors.ts';
import { VERSION_SOURCE } from './version.ts';

/** The parts of category/package-version, by their names in PMS 11.1. */
export interface Cpv {
  readonly cpv: string;
  readonly category: string;
  /** Package name, `top`. */
  readonly pn: string;
  /** Version without revision, `2.1`. */
  readonly pv: string;
  /** Revision, `r0` when there is none. */
  readonly pr: string;
  /** Name and version with the revision as it is written, `top-2.1-r3`. */
  readonly pf: string;
  /** Name and version without revision, `top-2.1`. */
  readonly p: string;
  /** Version with the revision as it is written, `2.1-r3`: what `compareVersions` takes. */
  readonly version: string;
}

/** Longer than any file name, so that patterns never meet endless text. */
const MAX_LENGTH = 300;

export const CATEGORY_SOURCE = '[A-Za-z0-9_][A-Za-z0-9_+.-]*';
const CATEGORY = new RegExp(`^${CATEGORY_SOURCE}$`);
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_+-]*$/;
const ENDS_LIKE_VERSION = new RegExp(`-${VERSION_SOURCE}$`);
const PACKAGE = new RegExp(`^(?<pn>[A-Za-z0-9_][A-Za-z0-9_+-]*?)-(?<version>${VERSION_SOURCE})$`);
const REVISION = /-r\d+$/;

export function isCategory(text: string): boolean {
  return text.length <= MAX_LENGTH && CATEGORY.test(text);
}

/** A name that does not end like a version (PMS 3.1.2). */
export function isPackageName(text: string): boolean {
  return text.length <= MAX_LENGTH && NAME.test(text) && !ENDS_LIKE_VERSION.test(text);
}

/** Whether `parseCpv` takes it. */
export function isCpv(text: string): boolean {
  const match = text.length <= MAX_LENGTH ? PACKAGE.exec(text.slice(text.indexOf('/') + 1)) : null;
  return (
    isCategory(text.slice(0, Math.max(0, text.indexOf('/')))) &&
    isPackageName(match?.groups?.['pn'] ?? '')
  );
}

/**
 * Takes category/package-version apart as `portage/versions.py:catpkgsplit` does.
 *
 * Throws `invalid-cpv`.
 */
export function parseCpv(cpv: string): Cpv {
  const slash = cpv.indexOf('/');
  const category = cpv.slice(0, Math.max(0, slash));
  const pf = cpv.slice(slash + 1);
  const match = cpv.length <= MAX_LENGTH ? PACKAGE.exec(pf) : null;
  const { pn = '', version = '' } = match?.groups ?? {};
  if (match === null || !isCategory(category) || !isPackageName(pn)) {
    const shown = cpv.length <= MAX_LENGTH ? cpv : `${cpv.slice(0, MAX_LENGTH)}...`;
    throw new AppError(
      'invalid-cpv',
      `"${shown}" is not category/package-version: ${faultOf(category, pf)}.`,
      { details: { cpv: shown } },
    );
  }
  const pv = version.replace(REVISION, '');
  const pr = version === pv ? 'r0' : version.slice(pv.length + 1);
  return { cpv, category, pn, pv, pr, pf, p: `${pn}-${pv}`, version };
}

function faultOf(category: string, pf: string): string {
  if (category.length + pf.length >= MAX_LENGTH) {
    return `it is longer than ${MAX_LENGTH} characters`;
  }
  if (!isCategory(category)) {
    return category === '' ? 'the category is missing' : `"${category}" is not a category`;
  }
  const match = PACKAGE.exec(pf);
  if (match === null) {
    return `"${pf}" is not a package name and a version`;
  }
  return `the package name "${match.groups?.['pn'] ?? ''}" is not valid`;
}
