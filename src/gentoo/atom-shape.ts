import type { Atom, AtomOperator } from './atom.ts';
import { CATEGORY_SOURCE, isPackageName } from './cpv.ts';
import { parseUseDependencies } from './use-dependency.ts';
import { VERSION_SOURCE } from './version.ts';

const MAX_LENGTH = 2000;
const SLOT_NAME = '[A-Za-z0-9_][A-Za-z0-9_+.-]*';
const NAME = '[A-Za-z0-9_][A-Za-z0-9_+-]*';
const WILDCARD_CATEGORY = '[A-Za-z0-9_+*][A-Za-z0-9_+.*-]*';
const WILDCARD_NAME = '[A-Za-z0-9_+*][A-Za-z0-9_+*-]*';

const SHAPE = new RegExp(
  '^(?<blocker>!{0,2})(?<operator>>=|<=|[=~<>]|)(?<name>[^:[\\]]+)' +
    '(?::(?<slots>[A-Za-z0-9_+./*=-]+))?(?:::(?<repo>[A-Za-z0-9_][A-Za-z0-9_-]*))?(?:\\[(?<use>[^[\\]]*)\\])?$',
);
const SLOTS = new RegExp(
  `^(?:(?<slot>${SLOT_NAME})(?:/(?<subSlot>${SLOT_NAME}))?)?(?<operator>[*=]?)$`,
);
const SIMPLE = new RegExp(`^(?<category>${CATEGORY_SOURCE})/(?<pn>${NAME})$`);
const VERSIONED = new RegExp(
  `^(?<category>${CATEGORY_SOURCE})/(?<pn>${NAME}?)-(?<version>${VERSION_SOURCE})(?<star>\\*?)$`,
);
const BUILT = new RegExp(
  `^(?<category>${CATEGORY_SOURCE})/(?<pn>${NAME}?)-(?<version>${VERSION_SOURCE})-(?<buildId>0|[1-9]\\d*)$`,
);
const WILDCARD = new RegExp(`^(?<category>${WILDCARD_CATEGORY})/(?<pn>${WILDCARD_NAME})$`);
const WILDCARD_VERSION = new RegExp(
  `^(?<category>${WILDCARD_CATEGORY})/(?<pn>${WILDCARD_NAME}?)-(?<version>\\*[A-Za-z0-9_]+\\*)$`,
);
const OPERATORS: Readonly<Record<string, AtomOperator>> = {
  '=': '=',
  '~': '~',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};
const LACKS_SPACE = /^(?:\|\||[()])|(?:\|\||[()])$/;
const UNKNOWN_WILDCARD = 'its wildcard is not one that Portage knows';

type Named = Pick<Atom, 'operator' | 'category' | 'pn' | 'version' | 'buildId' | 'isWildcard'>;
type Slots = Pick<Atom, 'slot' | 'subSlot' | 'slotOperator'>;
type Groups = Readonly<Record<string, string | undefined>>;

/** The parts of an atom in the widest of Portage's forms, or why it is not one (`''` when there is no more to say). */
export function parseAtomShape(text: string): Omit<Atom, 'text'> | string {
  const groups = text.length <= MAX_LENGTH ? groupsOf(SHAPE, text) : undefined;
  if (groups === undefined) {
    return spaceFault(text);
  }
  const named = parseNamed(partOf(groups, 'operator'), partOf(groups, 'name'));
  const slots = parseSlots(groups['slots']);
  const use = groups['use'] === undefined ? [] : parseUseDependencies(groups['use']);
  if (typeof named === 'string') {
    return named === '' ? spaceFault(text) : named;
  }
  if (typeof slots === 'string') {
    return slots;
  }
  if (use === undefined) {
    return `[${partOf(groups, 'use')}] are not valid USE dependencies`;
  }
  if (named.isWildcard && use.length > 0) {
    return 'a wildcard cannot have USE dependencies';
  }
  const blocker = (['', '!', '!!'] as const)[partOf(groups, 'blocker').length] ?? '';
  return { blocker, ...named, ...slots, use, repo: groups['repo'] ?? null };
}

function spaceFault(text: string): string {
  return LACKS_SPACE.test(text) ? 'a space is missing around a bracket or "||"' : '';
}

function parseNamed(operator: string, name: string): Named | string {
  if (operator === '') {
    return isWild(name) ? parseWildcard(name) : parseSimple(name);
  }
  return name.includes('*') && !VERSIONED.test(name)
    ? parseWildcardVersion(operator, name)
    : parseVersioned(operator, name);
}

/** A `+` in front makes a wildcard too: Portage tries its pattern for them on all that is no plain name. */
function isWild(name: string): boolean {
  return name.includes('*') || /(?:^|\/)\+/.test(name);
}

function parseSimple(name: string): Named | string {
  const groups = groupsOf(SIMPLE, name);
  if (groups === undefined || !isPackageName(partOf(groups, 'pn'))) {
    return VERSIONED.test(name) ? 'a version needs an operator before it' : '';
  }
  return { operator: '', ...namesOf(groups), version: null, isWildcard: false };
}

function parseVersioned(text: string, name: string): Named | string {
  const groups = groupsOf(VERSIONED, name);
  if (groups === undefined || !isPackageName(partOf(groups, 'pn'))) {
    return parseBuilt(text, name) ?? (SIMPLE.test(name) ? `"${text}" needs a version` : '');
  }
  const hasStar = groups['star'] === '*';
  if (hasStar && text !== '=') {
    return `"*" cannot stand behind a version with "${text}"`;
  }
  const operator = hasStar ? '=*' : (OPERATORS[text] ?? '');
  return { operator, ...namesOf(groups), version: partOf(groups, 'version'), isWildcard: false };
}

function parseBuilt(text: string, name: string): Named | undefined {
  const groups = groupsOf(BUILT, name);
  return (
    groups && {
      operator: OPERATORS[text] ?? '',
      ...namesOf(groups),
      version: partOf(groups, 'version'),
      buildId: partOf(groups, 'buildId'),
      isWildcard: false,
    }
  );
}

/** What looks like a version behind the name belongs to the name: `cat/pn-1*`, a slip of the pen, matches `cat/pn-1-x`. */
function parseWildcard(name: string): Named | string {
  const groups = groupsOf(WILDCARD, name);
  if (groups === undefined || name.includes('**')) {
    return UNKNOWN_WILDCARD;
  }
  return { operator: '', ...namesOf(groups), version: null, isWildcard: true };
}

function parseWildcardVersion(operator: string, name: string): Named | string {
  const groups = groupsOf(WILDCARD_VERSION, name);
  if (groups === undefined || operator !== '=' || name.includes('**')) {
    return UNKNOWN_WILDCARD;
  }
  return {
    operator: '=*',
    ...namesOf(groups),
    version: partOf(groups, 'version'),
    isWildcard: true,
  };
}

function parseSlots(text: string | undefined): Slots | string {
  if (text === undefined) {
    return { slot: null, subSlot: null, slotOperator: '' };
  }
  const groups = groupsOf(SLOTS, text);
  if (groups === undefined || (groups['slot'] !== undefined && groups['operator'] === '*')) {
    return `":${text}" is not a slot dependency`;
  }
  const { slot = null, subSlot = null, operator } = groups;
  const slotOperator = operator === '=' || operator === '*' ? operator : '';
  return { slot, subSlot, slotOperator };
}

function namesOf(groups: Groups): { readonly category: string; readonly pn: string } {
  return { category: partOf(groups, 'category'), pn: partOf(groups, 'pn') };
}

function groupsOf(pattern: RegExp, text: string): Groups | undefined {
  return pattern.exec(text)?.groups;
}

function partOf(groups: Groups, name: string): string {
  return groups[name] ?? '';
}
