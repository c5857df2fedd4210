import { type Atom, type AtomCandidate, evaluateAtom, parseAtom } from '../../gentoo/atom.ts';
import type { BasePackage } from '../../gentoo/base-system.ts';
import { parseCpv } from '../../gentoo/cpv.ts';
import { type DepNode, formatDepString, useReduce } from '../../gentoo/dep-string.ts';
import { sonamesIn } from '../../gentoo/soname-list.ts';

/** What has to be there when a package is installed. DEPEND and BDEPEND do not concern those who only install. */
export const DEPENDENCY_KEYS = ['RDEPEND', 'PDEPEND', 'IDEPEND'] as const;

/** A package as the gate looks at it. What it was built from never changes, so this is made once. */
export interface GatePackage {
  readonly id: string;
  readonly cpv: string;
  /** `category/pn`. */
  readonly name: string;
  /** Without sub-slot. */
  readonly slot: string;
  readonly candidate: AtomCandidate;
  readonly needs: readonly Need[];
  /** What may not be installed beside it. */
  readonly blocks: readonly Atom[];
  /** `<multilib category>: <soname>`. */
  readonly requires: readonly string[];
  readonly provides: readonly string[];
  readonly cflags: string;
  /** Null for a package of the base system. */
  readonly file: GateFile | null;
}

/** What is known of the file of a package. */
export interface GateFile {
  readonly path: string;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly buildId: number;
  readonly keyFingerprint: string;
}

/** One item of a dependency string: all of them have to hold. */
export interface Need {
  readonly key: (typeof DEPENDENCY_KEYS)[number];
  readonly text: string;
  readonly requirement: Requirement;
}

/** An atom, or several ways of which one is enough, each with all that it needs. */
export type Requirement =
  | { readonly kind: 'atom'; readonly atom: Atom }
  | { readonly kind: 'any-of'; readonly ways: readonly (readonly Requirement[])[] };

const NOTHING: readonly Atom[] = [];

/** Atoms by their text. Many packages need the same ones, which are read once and are one object. */
export class AtomReader {
  readonly #atoms = new Map<string, Atom>();

  /** Throws `invalid-atom`. */
  read(text: string): Atom {
    const known = this.#atoms.get(text);
    if (known !== undefined) {
      return known;
    }
    const atom = parseAtom(text);
    this.#atoms.set(text, atom);
    return atom;
  }
}

/** Reads a package out of its metadata. Blockers say what may not be there, and are no needs. */
export function readGatePackage(
  {
    id,
    cpv,
    metadata,
    file,
  }: {
    readonly id: string;
    readonly cpv: string;
    readonly metadata: Readonly<Record<string, string>>;
    readonly file: GateFile;
  },
  atoms = new AtomReader(),
): GatePackage {
  const { category, pn } = parseCpv(cpv);
  const slot = metadata['SLOT'] ?? '0';
  const use = words(metadata['USE']);
  const candidate = { cpv, slot, use, iuse: words(metadata['IUSE_EFFECTIVE'] ?? metadata['IUSE']) };
  const reading = { flags: new Set(use), atoms };
  const blocks = DEPENDENCY_KEYS.flatMap((key) => blockersIn(metadata[key] ?? '', reading));
  return {
    id,
    cpv,
    name: `${category}/${pn}`,
    slot: slot.split('/', 1)[0] ?? '',
    candidate,
    blocks: blocks.length === 0 ? NOTHING : blocks,
    needs: DEPENDENCY_KEYS.flatMap((key) => needsOf(key, metadata[key] ?? '', reading)),
    requires: sonamesIn(metadata['REQUIRES']),
    provides: sonamesIn(metadata['PROVIDES']),
    cflags: metadata['CFLAGS'] ?? '',
    file,
  };
}

/** A package of the base system: it is there, and nothing is asked of it. */
export function readBasePackage(base: BasePackage): GatePackage {
  const { cpv, slot, iuse } = base;
  const { category, pn } = parseCpv(cpv);
  const use = base.use.filter((flag) => !flag.startsWith('-'));
  const off = base.use.filter((flag) => flag.startsWith('-')).map((flag) => flag.slice(1));
  return {
    id: `base:${JSON.stringify(base)}`,
    cpv,
    name: `${category}/${pn}`,
    slot: slot.split('/', 1)[0] ?? '',
    candidate: { cpv, slot, use, off, ...(iuse && { iuse }) },
    needs: [],
    blocks: NOTHING,
    requires: [],
    provides: [],
    cflags: '',
    file: null,
  };
}

/** A library that the system has, whatever package it is from. */
export function readBaseSoname(soname: string): GatePackage {
  return {
    id: `base:${soname}`,
    cpv: '',
    name: '',
    slot: '',
    candidate: { cpv: '', slot: '' },
    needs: [],
    blocks: NOTHING,
    requires: [],
    provides: [soname],
    cflags: '',
    file: null,
  };
}

/** Every atom of a requirement. */
export function atomsOf(requirement: Requirement): readonly Atom[] {
  return requirement.kind === 'atom'
    ? [requirement.atom]
    : requirement.ways.flatMap((way) => way.flatMap(atomsOf));
}

/** With what the dependencies of a package are read: its flags, and atoms that others may have as well. */
interface Reading {
  readonly flags: ReadonlySet<string>;
  readonly atoms: AtomReader;
}

function needsOf(key: Need['key'], text: string, reading: Reading): Need[] {
  if (text === '') {
    return [];
  }
  return useReduce(text, reading.flags, { isOfAtoms: true }).flatMap((node) => {
    const [requirement] = requirementsOf([node], reading);
    return requirement === undefined ? [] : [{ key, text: formatDepString([node]), requirement }];
  });
}

/** Blockers outside of any choice; a text without "!" has none. */
function blockersIn(text: string, reading: Reading): Atom[] {
  return text.includes('!')
    ? useReduce(text, reading.flags, { isOfAtoms: true })
        .flatMap((node) => (node.kind === 'word' ? atomIn(node.text, reading) : []))
        .filter(({ blocker }) => blocker !== '')
    : [];
}

function atomIn(text: string, { flags, atoms }: Reading): Atom {
  return evaluateAtom(atoms.read(text), flags);
}

function requirementsOf(nodes: readonly DepNode[], reading: Reading): Requirement[] {
  return nodes.flatMap((node): Requirement[] => {
    if (node.kind === 'word') {
      const atom = atomIn(node.text, reading);
      return atom.blocker === '' ? [{ kind: 'atom', atom }] : [];
    }
    if (node.kind === 'any-of') {
      const ways = node.children.map((child) => requirementsOf([child], reading));
      return [{ kind: 'any-of', ways }];
    }
    return requirementsOf(node.children, reading);
  });
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(' ').filter((word) => word !== '');
}
