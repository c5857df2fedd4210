import { parseAtom } from '../gentoo/atom.ts';
import { suggestion } from '../gentoo/nearest-word.ts';
import type { HardwareProfile } from '../gentoo/profile.ts';
import { AppError } from '../support/errors.ts';

/** Sets that Portage itself knows (`cnf/sets/portage.conf`); only its resolver can say what is in them. */
const PORTAGE_SETS: readonly string[] = [
  'world',
  'profile',
  'selected',
  'selected-packages',
  'selected-sets',
  'system',
  'security',
  'installed',
  'preserved-rebuild',
  'live-rebuild',
  'module-rebuild',
  'x11-module-rebuild',
  'rebuilt-binaries',
  'changed-subslot',
  'downgrade',
  'unavailable',
  'changed-deps',
  'golang-rebuild',
  'rust-rebuild',
];

/**
 * The atoms of a request with the profile's own sets, and the sets in them, written out; each once, in the order in
 * which they come. Sets of Portage stay as they are for the executor `portage`.
 *
 * Throws `invalid-atom`, `unknown-set`.
 */
export function expandAtoms(
  atoms: readonly string[],
  profile: Pick<HardwareProfile, 'name' | 'sets' | 'executor'>,
): string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  const open = atoms.toReversed();
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    const atom = text.trim();
    const setName = atom.startsWith('@') ? atom.slice(1) : undefined;
    const members = setName === undefined ? undefined : profile.sets[setName];
    if (setName === undefined) {
      checkAtom(atom);
      found.add(atom);
    } else if (members === undefined) {
      checkPortageSet(setName, profile);
      found.add(atom);
    } else if (!seen.has(setName)) {
      seen.add(setName);
      open.push(...members.toReversed());
    }
  }
  if (atoms.length === 0) {
    throw new AppError('invalid-atom', 'A request needs at least one atom or @set.');
  }
  return [...found];
}

function checkAtom(text: string): void {
  const atom = parseAtom(text);
  if (atom.blocker !== '' || atom.isWildcard) {
    throw new AppError(
      'invalid-atom',
      `"${text}" cannot be built: ${atom.isWildcard ? 'it names no single package' : 'it is a blocker'}.`,
      { details: { atom: text } },
    );
  }
}

function checkPortageSet(
  name: string,
  profile: Pick<HardwareProfile, 'name' | 'sets' | 'executor'>,
): void {
  const known = [
    ...Object.keys(profile.sets),
    ...(profile.executor === 'portage' ? PORTAGE_SETS : []),
  ];
  if (!known.includes(name)) {
    throw new AppError(
      'unknown-set',
      `The profile ${profile.name} has no set @${name}.${suggestion(name, known)}`,
      { details: { set: name } },
    );
  }
}
