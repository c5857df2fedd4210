import { AppError } from '../support/errors.ts';
import { parseAtomShape } from './atom-shape.ts';
import { parseCpv } from './cpv.ts';
import { rulesOf } from './eapi.ts';
import {
  evaluateUseDependency,
  formatUseDependency,
  satisfiesUse,
  type UseDependency,
} from './use-dependency.ts';
import { compareVersions } from './version.ts';

export type AtomOperator = '' | '=' | '=*' | '~' | '<' | '<=' | '>' | '>=';

/** A package dependency specification (PMS 8.3), or one of Portage's wider forms for configuration files. */
export interface Atom {
  /** As it was written. */
  readonly text: string;
  readonly blocker: '' | '!' | '!!';
  /** `=*` is `=` with a `*` behind the version. */
  readonly operator: AtomOperator;
  readonly category: string;
  readonly pn: string;
  /** Revision included, without the `*` of `=*`; null without operator. */
  readonly version: string | null;
  /** `3` in `=cat/pn-1.0-3`: only there where it was allowed and stands. */
  readonly buildId?: string;
  readonly slot: string | null;
  readonly subSlot: string | null;
  readonly slotOperator: '' | '=' | '*';
  readonly use: readonly UseDependency[];
  /** Flags of USE dependencies that `evaluateAtom` has decided: a package has to have them, on or off. */
  readonly decidedFlags?: readonly string[];
  readonly repo: string | null;
  /** A `*` stands in category, name or before the version. */
  readonly isWildcard: boolean;
}

/** A package that an atom may be matched against. */
export interface AtomCandidate {
  readonly cpv: string;
  /** `slot` or `slot/sub-slot`, as in SLOT. */
  readonly slot: string;
  /** Enabled flags; without them USE dependencies are not looked at. */
  readonly use?: readonly string[];
  /** Words of IUSE or IUSE_EFFECTIVE, with or without `+` and `-`; without them every flag counts as there. */
  readonly iuse?: readonly string[];
  /** Flags that are known to be off; see `UseState`. */
  readonly off?: readonly string[];
  /** Without it, or when it is `__unknown__` as Portage names what has none, the repository is not looked at. */
  readonly repo?: string;
}

export interface AtomOptions {
  readonly eapi?: string;
  /** A BUILD_ID may stand behind the version, as Portage takes it where no EAPI forbids it. Matching passes over it. */
  readonly allowsBuildId?: boolean;
}

const MAX_SHOWN = 200;
const UNKNOWN_REPO = '__unknown__';

/**
 * Reads an atom as `portage/dep:Atom` does. Without `eapi` everything that Portage takes in configuration files is
 * allowed, wildcards and `::repo` too; with it, only what ebuilds of that EAPI may say.
 *
 * Throws `invalid-atom` and `unknown-eapi`.
 */
export function parseAtom(text: string, options: AtomOptions = {}): Atom {
  const shape = parseAtomShape(text);
  const fault = typeof shape === 'string' ? shape : faultFor(shape, options);
  if (typeof shape === 'string' || fault !== '') {
    const shown = text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}...`;
    const why = fault === '' ? '' : `: ${fault}`;
    throw new AppError('invalid-atom', `"${shown}" is not a valid atom${why}.`, {
      details: { atom: shown },
    });
  }
  return { text, ...shape };
}

/** The atom's canonical text; parsing it gives the same atom. */
export function formatAtom(atom: Omit<Atom, 'text'>): string {
  const operator = atom.operator === '=*' ? '=' : atom.operator;
  const star = atom.operator === '=*' && !atom.isWildcard ? '*' : '';
  const version = atom.version === null ? '' : `-${atom.version}${star}`;
  const subSlot = atom.subSlot === null ? '' : `/${atom.subSlot}`;
  const slots = `${atom.slot ?? ''}${subSlot}${atom.slotOperator}`;
  const repo = atom.repo === null ? '' : `::${atom.repo}`;
  const use = atom.use.length === 0 ? '' : `[${atom.use.map(formatUseDependency).join(',')}]`;
  const buildId = atom.buildId === undefined ? '' : `-${atom.buildId}`;
  const name = `${atom.blocker}${operator}${atom.category}/${atom.pn}${version}${buildId}`;
  return `${name}${slots === '' ? '' : `:${slots}`}${repo}${use}`;
}

/**
 * The atom with its conditional USE dependencies decided by the flags of the package that has it (PMS 8.3.4). One that
 * had any loses its repository (`portage/dep:Atom.evaluate_conditionals`).
 */
export function evaluateAtom(atom: Atom, use: ReadonlySet<string>): Atom {
  if (atom.use.every(({ kind }) => kind === 'enabled' || kind === 'disabled')) {
    return atom;
  }
  const decided = atom.use.flatMap((one) => evaluateUseDependency(one, use) ?? []);
  const flags = atom.use.filter(({ missing }) => missing === null).map(({ flag }) => flag);
  const evaluated = { ...atom, repo: null, use: decided, decidedFlags: flags };
  return { ...evaluated, text: formatAtom(evaluated) };
}

/**
 * Whether an atom matches a package, as `portage/dep:match_from_list`: what a blocker blocks is what it matches, and
 * conditional USE dependencies only ask that the flag exists. Throws `invalid-cpv`.
 */
export function matchesAtom(atom: Atom, candidate: AtomCandidate): boolean {
  const { category, pn, pv, version } = parseCpv(candidate.cpv);
  return (
    matchesText(atom.category, category) &&
    matchesText(atom.pn, pn) &&
    matchesVersion(atom, { pv, version }) &&
    matchesSlot(atom, candidate.slot) &&
    matchesRepo(atom, candidate) &&
    matchesUse(atom, candidate)
  );
}

function matchesRepo(atom: Atom, { repo = UNKNOWN_REPO }: AtomCandidate): boolean {
  return atom.repo === null || repo === UNKNOWN_REPO || repo === atom.repo;
}

function matchesSlot(atom: Atom, text: string): boolean {
  const [slot = '', subSlot = slot] = text.split('/');
  return (
    (atom.slot === null || atom.slot === slot) &&
    (atom.subSlot === null || atom.subSlot === subSlot)
  );
}

function matchesUse(atom: Atom, { use, iuse, off }: AtomCandidate): boolean {
  const decided = atom.blocker === '' ? (atom.decidedFlags ?? []) : [];
  if (use === undefined || (atom.use.length === 0 && decided.length === 0)) {
    return true;
  }
  const names = iuse && new Set(iuse.map((word) => word.replace(/^[+-]/, '')));
  return (
    decided.every((flag) => names === undefined || names.has(flag)) &&
    satisfiesUse(atom.use, { use: new Set(use), iuse: names, off: off && new Set(off) })
  );
}

function faultFor(atom: Omit<Atom, 'text'>, options: AtomOptions): string {
  const { eapi, allowsBuildId = false } = options;
  if (atom.buildId !== undefined && (eapi !== undefined || !allowsBuildId)) {
    return 'a BUILD_ID cannot stand here';
  }
  return eapi === undefined ? '' : faultInEapi(atom, eapi);
}

function faultInEapi(atom: Omit<Atom, 'text'>, eapi: string): string {
  const rules = rulesOf(eapi);
  const hasOperator = atom.slotOperator !== '' || atom.subSlot !== null;
  const faults: readonly (readonly [boolean, string])[] = [
    [atom.isWildcard, 'wildcards'],
    [atom.repo !== null, 'repositories'],
    [!rules.slots && atom.slot !== null, 'slots'],
    [!rules.slotOperators && hasOperator, 'slot operators'],
    [!rules.use && atom.use.length > 0, 'USE dependencies'],
    [!rules.useDefaults && atom.use.some(({ missing }) => missing !== null), 'USE defaults'],
    [!rules.strongBlocks && atom.blocker === '!!', 'strong blockers'],
  ];
  const fault = faults.find(([isFault]) => isFault);
  return fault === undefined ? '' : `EAPI ${eapi} has no ${fault[1]}`;
}

function matchesVersion(
  { operator, version: wanted, isWildcard }: Atom,
  found: { readonly pv: string; readonly version: string },
): boolean {
  if (wanted === null) {
    return true;
  }
  if (isWildcard) {
    return found.version.includes(wanted.slice(1, -1));
  }
  if (operator === '=*') {
    return startsWithVersion(found.version, wanted);
  }
  if (operator === '~') {
    return found.pv === wanted.replace(/-r\d+$/, '');
  }
  const order = compareVersions(found.version, wanted);
  return (
    (operator.includes('=') && order === 0) ||
    (operator.startsWith('<') && order < 0) ||
    (operator.startsWith('>') && order > 0)
  );
}

/** `=cat/pn-1*`: a literal prefix that ends between two parts of the version, leading zeros aside. */
function startsWithVersion(version: string, prefix: string): boolean {
  const found = withoutLeadingZeros(version);
  const wanted = withoutLeadingZeros(prefix);
  if (!found.startsWith(wanted)) {
    return false;
  }
  const next = found.charAt(wanted.length);
  return next === '' || '._-'.includes(next) || isDigit(next) !== isDigit(wanted.slice(-1));
}

function withoutLeadingZeros(version: string): string {
  return version.replace(/^0+(?=\d)/, '');
}

function isDigit(character: string): boolean {
  return /^\d$/.test(character);
}

function matchesText(pattern: string, text: string): boolean {
  if (!pattern.includes('*')) {
    return pattern === text;
  }
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) {
    return false;
  }
  let position = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, position);
    if (found < 0) {
      return false;
    }
    position = found + part.length;
  }
  return position <= text.length - last.length;
}
