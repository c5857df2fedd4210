/**
 * One entry between the brackets of an atom (PMS 8.3.4). `kind` says how it reads for the flag `x`:
 * `[x]`, `[-x]`, `[x?]`, `[!x?]`, `[x=]`, `[!x=]`.
 */
export interface UseDependency {
  readonly flag: string;
  readonly kind: UseDependencyKind;
  /** What holds when the package does not have the flag: `(+)` true, `(-)` false, nothing null. */
  readonly missing: boolean | null;
}
export type UseDependencyKind =
  | 'enabled'
  | 'disabled'
  | 'if-enabled'
  | 'if-disabled'
  | 'equal'
  | 'not-equal';

const ENTRY =
  /^(?<prefix>[!-]?)(?<flag>[A-Za-z0-9][A-Za-z0-9+_@-]*)(?<missing>\([+-]\))?(?<suffix>[?=]?)$/;
const USE_FLAG = /^[A-Za-z0-9][A-Za-z0-9+_@-]*$/;

/** Prefix and suffix around the flag, by kind. */
const MARKS: Readonly<Record<UseDependencyKind, readonly [prefix: string, suffix: string]>> = {
  enabled: ['', ''],
  disabled: ['-', ''],
  'if-enabled': ['', '?'],
  'if-disabled': ['!', '?'],
  equal: ['', '='],
  'not-equal': ['!', '='],
};
const KINDS = new Map<string, UseDependencyKind>([
  ['', 'enabled'],
  ['-', 'disabled'],
  ['?', 'if-enabled'],
  ['!?', 'if-disabled'],
  ['=', 'equal'],
  ['!=', 'not-equal'],
]);

export function isUseFlag(text: string): boolean {
  return USE_FLAG.test(text);
}

/** What stands between the brackets; undefined when it is not valid, or contradicts itself about a default. */
export function parseUseDependencies(text: string): UseDependency[] | undefined {
  const dependencies: UseDependency[] = [];
  const defaults = new Map<string, boolean | null>();
  for (const entry of text.split(',')) {
    const { prefix = '', flag = '', missing, suffix = '' } = ENTRY.exec(entry)?.groups ?? {};
    const kind = KINDS.get(prefix + suffix);
    const fallback = missing === undefined ? null : missing === '(+)';
    const contradicts = defaults.has(flag) && defaults.get(flag) !== fallback;
    if (flag === '' || kind === undefined || contradicts) {
      return undefined;
    }
    defaults.set(flag, fallback);
    dependencies.push({ flag, kind, missing: fallback });
  }
  return dependencies;
}

/** `x`, `-x(+)`, `!x?` ... */
export function formatUseDependency({ flag, kind, missing }: UseDependency): string {
  const [prefix, suffix] = MARKS[kind];
  const fallback = missing === null ? '' : missing ? '(+)' : '(-)';
  return `${prefix}${flag}${fallback}${suffix}`;
}

/** What a dependency asks of the other package, given the flags of the one that has it; undefined for nothing. */
export function evaluateUseDependency(
  dependency: UseDependency,
  use: ReadonlySet<string>,
): UseDependency | undefined {
  const { kind, flag } = dependency;
  const isOn = use.has(flag);
  if (kind === 'enabled' || kind === 'disabled') {
    return dependency;
  }
  if ((kind === 'if-enabled' && !isOn) || (kind === 'if-disabled' && isOn)) {
    return undefined;
  }
  return { ...dependency, kind: isOn === (kind !== 'not-equal') ? 'enabled' : 'disabled' };
}

/** What a package has, for matching USE dependencies against it. */
export interface UseState {
  /** Flags that are on. */
  readonly use: ReadonlySet<string>;
  /** Flags that it has, `+` and `-` taken off; undefined when that is not known, then it has every flag. */
  readonly iuse: ReadonlySet<string> | undefined;
  /**
   * Flags that are known to be off. Of any other that is not on, it is then not known whether it is off, or not there
   * at all. Absent: all that are not on are off.
   */
  readonly off?: ReadonlySet<string> | undefined;
}

/**
 * Whether a package satisfies the unconditional ones; a flag it lacks needs a default (`match_from_list`). Of what is
 * not known of it, what may be so is good enough.
 */
export function satisfiesUse(dependencies: readonly UseDependency[], state: UseState): boolean {
  return dependencies.every(({ flag, kind, missing }) => {
    const flags = statesOf(flag, state);
    const isConditional = kind !== 'enabled' && kind !== 'disabled';
    return flags.some((one) => {
      if (one === 'absent' && missing === null) {
        return false;
      }
      const isOn = one === 'absent' ? missing === true : one === 'on';
      return isConditional || isOn === (kind === 'enabled');
    });
  });
}

/** How a flag may be; nothing for one that is on in one place and off in another. */
function statesOf(flag: string, { use, iuse, off }: UseState): readonly FlagState[] {
  if (iuse !== undefined && !iuse.has(flag)) {
    return ['absent'];
  }
  if (use.has(flag)) {
    return ['on'];
  }
  if (off === undefined || off.has(flag)) {
    return ['off'];
  }
  return iuse === undefined ? ['off', 'absent'] : [];
}

type FlagState = 'on' | 'off' | 'absent';
