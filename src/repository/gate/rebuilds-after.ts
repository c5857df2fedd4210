import { parseCpv } from '../../gentoo/cpv.ts';
import { type Lack, lacksOf } from './closure.ts';
import type { Finding } from './finding.ts';
import { atomsOf, type GatePackage } from './gate-package.ts';
import { Universe } from './universe.ts';

/** A package that is to be built, of which no more is known than its version and slot. */
export interface Planned {
  readonly cpv: string;
  /** With its sub-slot. */
  readonly slot: string;
}

/** A package that has to be built again so that it works with what has changed. */
export interface Rebuild {
  /** `category/pn:slot`. */
  readonly atom: string;
  readonly cpv: string;
  /** Goes on after "because". */
  readonly because: string;
}

export interface Change {
  /** What the channel holds, and the base system. */
  readonly present: readonly GatePackage[];
  /** What was built, or is taken as it is. */
  readonly arrived: readonly GatePackage[];
  readonly planned: readonly Planned[];
  /** Findings that do not stop a publication. */
  readonly isLetPass: (finding: Finding) => boolean;
}

/**
 * The packages that lose a sub-slot that they were built against, or a library that they need, when others take the
 * place of what the channel has. Of a package that is only planned its sub-slot is known, but not its libraries: until
 * it is there, it is taken to have those of the one before it.
 */
export function rebuildsAfter({ present, arrived, planned, isLetPass }: Change): Rebuild[] {
  const before = new Universe();
  const after = new Universe();
  const bySlot = new Map(
    present.filter(({ file }) => file !== null).map((one) => [slotOf(one), one]),
  );
  const coming = [...planned.map((one) => expected(one, bySlot)), ...arrived];
  const taken = new Set(coming.map(slotOf));
  const staying = present.filter((one) => one.file === null || !taken.has(slotOf(one)));
  for (const one of present) {
    before.add(one);
  }
  for (const one of [...staying, ...coming]) {
    after.add(one);
  }
  const gone = present.filter((one) => one.file !== null && taken.has(slotOf(one)));
  const touched = new Set([...gone, ...coming].flatMap((one) => [...after.touchedBy(one)]));
  return [...staying, ...arrived]
    .filter((one) => one.file !== null && touched.has(one))
    .flatMap((one) => {
      const known = new Set(
        before
          .named(one.name)
          .filter(({ slot }) => slot === one.slot)
          .flatMap((other) => lacksOf(other, before).map(({ text }) => text)),
      );
      const because = lacksOf(one, after)
        .filter(({ text, finding }) => !known.has(text) && !isLetPass(finding))
        .flatMap((lack) => causeOf(lack, { gone, coming }) ?? []);
      const [first] = because;
      return first === undefined
        ? []
        : [{ atom: `${one.name}:${one.slot}`, cpv: one.cpv, because: first }];
    });
}

function expected({ cpv, slot }: Planned, bySlot: ReadonlyMap<string, GatePackage>): GatePackage {
  const { category, pn } = parseCpv(cpv);
  const one: GatePackage = {
    id: `planned:${cpv}`,
    cpv,
    name: `${category}/${pn}`,
    slot: slot.split('/', 1)[0] ?? '',
    candidate: { cpv, slot },
    needs: [],
    blocks: [],
    requires: [],
    provides: [],
    cflags: '',
    file: null,
  };
  return { ...one, provides: bySlot.get(slotOf(one))?.provides ?? [] };
}

/** Undefined for what a rebuild would not mend. */
function causeOf(
  { wanted, finding, text }: Lack,
  {
    gone,
    coming,
  }: { readonly gone: readonly GatePackage[]; readonly coming: readonly GatePackage[] },
): string | undefined {
  if (typeof wanted === 'string') {
    const old = gone.find(({ provides }) => provides.includes(wanted));
    const next = old && coming.find((one) => slotOf(one) === slotOf(old));
    return next && `${wanted.split(': ')[1] ?? wanted} is gone from ${next.cpv}`;
  }
  if (finding.kind !== 'slot-operator-broken') {
    return undefined;
  }
  const names = new Set(atomsOf(wanted).map(({ category, pn }) => `${category}/${pn}`));
  const next = coming.find(({ name }) => names.has(name));
  return (
    next &&
    `it was built against ${text.slice(text.indexOf(' ') + 1)}, and ${next.cpv} has ${next.candidate.slot}`
  );
}

function slotOf({ name, slot }: GatePackage): string {
  return `${name}:${slot}`;
}
