import * as z from 'zod';

const name = z.string().max(500);
const names = z.array(name).max(100);

/** A line for a file of the folder `portage/` of a profile, as `package.use`. */
export const planFixSchema = z.object({ file: z.string().max(100), line: z.string().max(2000) });
export type PlanFix = z.infer<typeof planFixSchema>;
const fixes = z.array(planFixSchema).max(100);

/** What could not be had, and which package needs it; null when the request itself does. */
const wanted = { atom: name, neededBy: name.nullable() };

/** `package-mask` has what is written above the mask as its value, the others the keyword, the license, the EAPI. */
const maskSchema = z.object({
  kind: z.enum(['keywords', 'package-mask', 'license', 'eapi', 'properties', 'restrict', 'other']),
  value: z.string().max(2000),
});

/**
 * Why Portage's resolver found no way, read from its own records. Packages are `category/pf::repository`. All of
 * `fixes` together, or one of `alternatives`, would do away with it.
 */
const knownProblemSchema = z.discriminatedUnion('code', [
  z.object({ code: z.literal('invalid-atom'), atom: name }),
  z.object({ code: z.literal('unknown-set'), set: name }),
  z.object({ code: z.literal('ambiguous-name'), packages: names }),
  z.object({ code: z.literal('no-profile') }),
  z.object({ code: z.literal('no-such-package'), ...wanted }),
  /** There are packages that are not masked, and yet none of them fits into the plan. */
  z.object({ code: z.literal('unusable'), ...wanted, packages: names }),
  z.object({
    code: z.literal('masked'),
    ...wanted,
    candidates: z
      .array(z.object({ package: name, reasons: z.array(maskSchema).max(100) }))
      .max(100),
    /** Candidates that are not named. */
    more: z.number().int().min(0),
    fixes,
  }),
  /** The package has no such USE flag. */
  z.object({ code: z.literal('no-such-flag'), ...wanted, package: name, flags: names }),
  z.object({
    code: z.literal('use-change'),
    ...wanted,
    package: name,
    /** As they would have to be: `ssl`, `-static`. */
    flags: names,
    /** Those that the Gentoo profile forces or masks. */
    fixedFlags: names,
    breaksRequiredUse: z.boolean(),
    fixes,
  }),
  z.object({
    code: z.literal('required-use'),
    package: name,
    neededBy: name.nullable(),
    /** As `( exactly-one-of ( a b ) )`. */
    constraint: z.string().max(2000),
    alternatives: fixes,
  }),
  z.object({
    code: z.literal('blocker'),
    atom: name,
    /** Hard: not even for a moment may both be installed (`!!`). */
    isHard: z.boolean(),
    by: names,
    blocked: z.array(z.object({ package: name, isInstalled: z.boolean() })).max(100),
  }),
  z.object({
    code: z.literal('slot-conflict'),
    slot: name,
    packages: z
      .array(
        z.object({
          package: name,
          /** Who could not do with another of them; `by` is null for the request itself. */
          wantedBy: z.array(z.object({ by: name.nullable(), atom: name })).max(100),
        }),
      )
      .max(100),
  }),
  /** Each needs the next to be built, the last one the first. */
  z.object({ code: z.literal('cycle'), packages: names, alternatives: fixes }),
  z.object({ code: z.literal('unresolved') }),
]);
type KnownProblem = z.infer<typeof knownProblemSchema>;
type ProblemOf<Code extends KnownProblem['code']> = Extract<KnownProblem, { readonly code: Code }>;

/** Agents of an older Rookery send a sentence. */
export const planProblemSchema = z.union([knownProblemSchema, z.string().max(10_000)]);
export type PlanProblem = z.infer<typeof planProblemSchema>;

/** What stands in the way, in words; what to do about it is in `remedyOf`. */
export function problemSentence(problem: PlanProblem): string {
  if (typeof problem === 'string') {
    return problem;
  }
  if ('neededBy' in problem) {
    return problem.code === 'required-use'
      ? ruleSentence(problem)
      : `${needs(problem)}: ${lackOf(problem)}.`;
  }
  return 'packages' in problem || 'blocked' in problem
    ? conflictSentence(problem)
    : questionSentence(problem);
}

function ruleSentence({ package: what, neededBy, constraint }: ProblemOf<'required-use'>): string {
  const need = neededBy === null ? '' : ` (needed by ${neededBy})`;
  return `The USE flags of ${what}${need} break its own rule: ${constraint}.`;
}

function conflictSentence(
  problem: ProblemOf<'cycle' | 'slot-conflict' | 'blocker' | 'ambiguous-name'>,
): string {
  switch (problem.code) {
    case 'cycle':
      return `These packages need each other to be built: ${circle(problem.packages)}.`;
    case 'slot-conflict':
      return slotSentence(problem);
    case 'blocker':
      return blockerSentence(problem);
    case 'ambiguous-name':
      break;
  }
  return `A short name fits several packages: ${problem.packages.join(', ')}.`;
}

/** What is wrong with the request or the build root, before anything is resolved. */
function questionSentence(
  problem: ProblemOf<'invalid-atom' | 'unknown-set' | 'no-profile' | 'unresolved'>,
): string {
  switch (problem.code) {
    case 'invalid-atom':
      return `${problem.atom} is not a package atom.`;
    case 'unknown-set':
      return `The package set ${problem.set} is not known.`;
    case 'no-profile':
      return 'The build root has no usable profile: its make.profile leads nowhere.';
    case 'unresolved':
      break;
  }
  return 'Portage could not resolve the request; the log of this job says more.';
}

type Lack = Extract<KnownProblem, { readonly neededBy: string | null; readonly atom: string }>;

function needs({ atom, neededBy }: Lack): string {
  return neededBy === null
    ? `${atom} cannot be had`
    : `${neededBy} needs ${atom}, which cannot be had`;
}

function lackOf(problem: Lack): string {
  switch (problem.code) {
    case 'no-such-package':
      return 'no ebuild repository has a package of that name and version';
    case 'unusable':
      return `none of ${problem.packages.join(', ')} fits with the rest of the plan`;
    case 'no-such-flag':
      return `${problem.package} has no USE flag ${problem.flags.join(', ')}`;
    case 'masked':
      return maskedWords(problem);
    case 'use-change':
      break;
  }
  return useWords(problem);
}

function useWords({
  package: what,
  flags,
  fixedFlags,
  breaksRequiredUse,
}: ProblemOf<'use-change'>): string {
  const wantedFlags = `${what} would need other USE flags: ${flags.join(' ')}`;
  const fixed =
    fixedFlags.length === 0 ? '' : `, but the Gentoo profile fixes ${fixedFlags.join(' ')}`;
  return `${wantedFlags}${fixed}${breaksRequiredUse ? ', which its REQUIRED_USE does not allow by themselves' : ''}`;
}

function maskedWords({ candidates, more }: ProblemOf<'masked'>): string {
  const shown = candidates.map(
    ({ package: what, reasons }) =>
      `${what} is masked by ${reasons.map((reason) => MASK_WORDS[reason.kind](reason.value)).join(' and by ')}`,
  );
  return [...shown, ...(more === 0 ? [] : [`and ${more} more`])].join('; ');
}

type MaskKind = z.infer<typeof maskSchema>['kind'];

const MASK_WORDS: Readonly<Record<MaskKind, (value: string) => string>> = {
  keywords: (value) => (value === 'missing' ? 'having no keyword' : `its keyword ${value}`),
  'package-mask': (value) => (value === '' ? 'package.mask' : `package.mask (${value})`),
  license: (value) => `its license ${value}`,
  eapi: (value) => `its EAPI ${value}, which the Portage of the agent cannot read`,
  properties: (value) => `its ${value}`,
  restrict: (value) => value,
  other: (value) => value,
};

function circle(packages: readonly string[]): string {
  const [first] = packages;
  return [...packages, ...(first === undefined ? [] : [first])].join(' -> ');
}

function slotSentence({ slot, packages }: ProblemOf<'slot-conflict'>): string {
  const each = packages.map(({ package: what, wantedBy }) => {
    const by = wantedBy.map((want) => `${want.by ?? 'the request'} needs ${want.atom}`);
    return by.length === 0 ? what : `${what} (${by.join(', ')})`;
  });
  return `The slot ${slot} would have to hold several packages at once: ${each.join('; ')}.`;
}

function blockerSentence({ atom, isHard, by, blocked }: ProblemOf<'blocker'>): string {
  const what = blocked.map(
    ({ package: cpv, isInstalled }) => `${cpv}${isInstalled ? ' (installed)' : ''}`,
  );
  const who = by.length === 0 ? atom : `${by.join(', ')} (${atom})`;
  const limit = isHard ? ', not even while one replaces the other' : '';
  return `${who} cannot be installed together with ${what.length === 0 ? 'a package of the plan' : what.join(', ')}${limit}.`;
}

/** What would help: lines for the profile's folder, all of them or one of them, or words when no line would. */
export interface Remedy {
  readonly kind: 'all' | 'one';
  readonly lines: readonly PlanFix[];
  readonly advice: string | null;
}

export function remedyOf(problem: PlanProblem): Remedy {
  if (typeof problem === 'string') {
    return { kind: 'all', lines: [], advice: null };
  }
  if ('fixes' in problem && problem.fixes.length > 0) {
    return { kind: 'all', lines: problem.fixes, advice: null };
  }
  if ('alternatives' in problem && problem.alternatives.length > 0) {
    return { kind: 'one', lines: problem.alternatives, advice: null };
  }
  return { kind: 'all', lines: [], advice: ADVICE[problem.code] };
}

const ADVICE: Readonly<Record<KnownProblem['code'], string | null>> = {
  'invalid-atom':
    'Write it as category/name, or with an operator and a version: >=category/name-1.',
  'unknown-set': 'Sets of the profile stand in its folder sets/.',
  'ambiguous-name': 'Write the category before the name.',
  'no-profile': 'Name the Gentoo profile in profile.toml (gentoo-profile).',
  'no-such-package': 'Sync the ebuild repositories of the build root, or add the one that has it.',
  unusable: 'Look in the log of the plan for what keeps each of them out.',
  masked: 'No line of the profile unmasks it: choose another version, or a newer Portage.',
  'no-such-flag': 'Choose a version that has the flag, or report the dependency.',
  'use-change':
    'The Gentoo profile decides about these flags: choose another one, or leave the package out.',
  'required-use': 'Set its flags in package.use so that the rule holds.',
  blocker: 'Ask for one of them, or choose a version of the other that is not blocked.',
  'slot-conflict':
    'Keep one of the versions out with a line in package.mask, or ask for newer versions of those who need the old one.',
  cycle:
    'Portage knows no USE flag that breaks it: build one of them with fewer flags first, or mask the version that closes the circle.',
  unresolved: null,
};

/** The sentence, and after it what would help. */
export function problemText(problem: PlanProblem): string {
  const { kind, lines, advice } = remedyOf(problem);
  const written = lines.map(({ file, line }) => `"${line}" in ${file}`);
  const help =
    written.length === 0
      ? advice
      : `What would help in the portage folder of the profile: ${written.join(kind === 'one' ? ', or ' : ', and ')}.`;
  return help === null ? problemSentence(problem) : `${problemSentence(problem)} ${help}`;
}
