import { AppError } from '../support/errors.ts';
import type { HardwareProfile } from './profile.ts';
import { isWholeText } from './whitespace.ts';

/** Compiler settings in the order in which make.conf shows them; others follow by name. */
const FLAG_ORDER = [
  'CFLAGS',
  'CXXFLAGS',
  'CPPFLAGS',
  'FFLAGS',
  'FCFLAGS',
  'LDFLAGS',
  'RUSTFLAGS',
  'GOFLAGS',
];
/** A quote, a `$`, a backslash before one of them, or before another backslash or the end. */
const SPECIAL = /\\?["'$]|\\(?=\\|$)/g;
const VARIABLE = /^[A-Z_][A-Z0-9_]*$/;

/**
 * make.conf of a profile: CHOST, compiler settings, CPU flags, USE, FEATURES and MAKEOPTS. Every value arrives in
 * Portage exactly as it is in the profile. The Gentoo profile is no variable of make.conf but a symbolic link beside
 * it, so it is named in a comment.
 *
 * Throws `invalid-make-conf-value`.
 */
export function formatMakeConf(profile: HardwareProfile): string {
  const names = Object.keys(profile.flags).toSorted(
    (left, right) => rankOf(left) - rankOf(right) || (left < right ? -1 : 1),
  );
  const values: (readonly [string, string])[] = [
    ['CHOST', profile.chost],
    ...names.map((name) => [name, profile.flags[name] ?? ''] as const),
  ];
  if (profile.cpuFlagsVariable !== null) {
    values.push([profile.cpuFlagsVariable, profile.cpuFlags.join(' ')]);
  }
  values.push(
    ['USE', profile.use.join(' ')],
    ['FEATURES', profile.features.join(' ')],
    ['MAKEOPTS', profile.makeopts],
  );
  const lines = values
    .filter(([name, value]) => value !== '' || name in profile.flags)
    .map(([name, value]) => formatMakeConfVariable(name, value));
  const gentooProfile =
    profile.gentooProfile === null ? '' : `# make.profile: ${oneLine(profile.gentooProfile)}\n`;
  return `# Made by Rookery from the hardware profile ${profile.name}.\n${gentooProfile}${lines.join('')}`;
}

/**
 * One `NAME="value"` line that Portage (`portage/util:getconfig`, that is shlex and then `varexpand`) reads as exactly
 * this value. bash reads it alike unless a backslash stands before another, `$` or a quote.
 *
 * Throws `invalid-make-conf-value` for a name that is no variable and for control characters.
 */
export function formatMakeConfVariable(name: string, value: string): string {
  if (!VARIABLE.test(name) || !isWholeText(value)) {
    const shown = JSON.stringify(value.slice(0, 200));
    throw new AppError('invalid-make-conf-value', `${name}=${shown} cannot stand in make.conf.`, {
      details: { name },
    });
  }
  return `${name}="${quoteForLexer(escapeForExpansion(value))}"\n`;
}

function rankOf(name: string): number {
  const rank = FLAG_ORDER.indexOf(name);
  return rank < 0 ? FLAG_ORDER.length : rank;
}

/**
 * What `varexpand` turns back into the value. It keeps quotes but tracks them: between single quotes nothing is
 * special, and a quote right behind an escaped backslash does not count. A backslash before an ordinary character
 * stays as it is.
 */
function escapeForExpansion(value: string): string {
  let quote = '';
  return value.replaceAll(SPECIAL, (token) => {
    if (quote === "'") {
      quote = token.endsWith("'") ? '' : quote;
      return token;
    }
    if (token.startsWith('\\')) {
      return `\\${token}`;
    }
    if (token === '$') {
      return '\\$';
    }
    if (quote === '' || quote === token) {
      quote = quote === '' ? token : '';
    }
    return token;
  });
}

/** Between double quotes shlex takes a backslash away only before `"` and before another backslash. */
function quoteForLexer(text: string): string {
  return text.replaceAll(/\\(?=[\\"]|$)|"/g, '\\$&');
}

function oneLine(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]/g, '?');
}
