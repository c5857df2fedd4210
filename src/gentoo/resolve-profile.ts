import { type BaseSystem, mergeBaseSystems } from './base-system.ts';
import { type LimitsDocument, limitPolicyOf, mergeLimits } from './build-limits.ts';
import {
  type CcacheDocument,
  compileSharingOf,
  type DistccDocument,
  faultsInSharing,
} from './compile-sharing.ts';
import { show } from './document-faults.ts';
import { type GateDocument, gatePolicyOf } from './gate-policy.ts';
import { impactPolicyOf } from './impact-policy.ts';
import { suggestion } from './nearest-word.ts';
import { faultsInSets } from './portage-sets.ts';
import type { BuildRoot, HardwareProfile } from './profile.ts';
import {
  CPU_FLAGS_VARIABLES,
  FLAG_VARIABLES,
  type FlagKey,
  faultsBetweenKeys,
  type ProfileDocument,
} from './profile-document.ts';
import { faultsInWords } from './profile-words.ts';
import { faultsInPromotion, type PromotionDocument, policyOf } from './promotion-policy.ts';
import type { Recipe } from './recipe.ts';
import { mergeRequirements } from './requirements.ts';
import { resolveFlags } from './resolve-flags.ts';
import { type RetentionDocument, retentionOf } from './retention-policy.ts';
import {
  faultsInSchedules,
  mergeSchedules,
  type Schedules,
  schedulesOf,
} from './schedule-policy.ts';

/** What the folder of one profile holds. */
export interface ProfileSource {
  readonly name: string;
  /** How sentences call its profile.toml. */
  readonly file: string;
  /** Undefined when it could not be read; then there are faults. */
  readonly document: ProfileDocument | undefined;
  readonly sets: Readonly<Record<string, readonly string[]>>;
  readonly portageFiles: Readonly<Record<string, string>>;
  /** Of its file `base-system`, if it has one. */
  readonly baseSystem?: BaseSystem | undefined;
  /** By CPV. */
  readonly recipes: Readonly<Record<string, Recipe>>;
  readonly faults: readonly string[];
}

export interface ResolvedProfiles {
  /** Those that can be built for, by name. */
  readonly profiles: readonly HardwareProfile[];
  /** Name -> sentences. */
  readonly broken: Readonly<Record<string, readonly string[]>>;
}

/** A source whose document was read. */
type ReadSource = ProfileSource & { readonly document: ProfileDocument };

type ProfileFiles = Pick<HardwareProfile, 'sets' | 'portageFiles' | 'recipes' | 'baseSystem'>;

/** What holds when neither a profile nor what it extends says otherwise. */
const DEFAULTS = {
  arch: '',
  chost: '',
  use: [],
  features: [],
  makeopts: '',
  executor: 'portage',
  channels: ['testing', 'stable'],
  'cpu-flags': [],
  'gentoo-profile': null,
  'build-root': { kind: 'host' },
} as const;
const REQUIRED = ['arch', 'chost', 'cflags'] as const;
/** Settings that follow CFLAGS unless a profile says otherwise. */
const FOLLOW_CFLAGS: readonly FlagKey[] = ['cxxflags', 'fflags', 'fcflags'];

/**
 * Resolves `extends`. Nearer profiles win: single values replace, words of `use`, `features` and `cpu-flags` are
 * appended (`-x` takes x away, `-*` everything), compiler settings, sets, files and recipes are merged by name.
 * A profile is broken when it, or one that it is made from, has a fault.
 */
export function resolveProfiles(sources: readonly ProfileSource[]): ResolvedProfiles {
  const byName = new Map(sources.map((source) => [source.name, source]));
  const profiles: HardwareProfile[] = [];
  const broken: (readonly [string, readonly string[]])[] = [];
  for (const source of [...sources].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const result = resolveProfile(source, byName);
    if (result.faults.length > 0) {
      broken.push([source.name, result.faults]);
    } else if (result.profile !== undefined) {
      profiles.push(result.profile);
    }
  }
  return { profiles, broken: Object.fromEntries(broken) };
}

function resolveProfile(
  source: ProfileSource,
  byName: ReadonlyMap<string, ProfileSource>,
): { readonly profile?: HardwareProfile; readonly faults: readonly string[] } {
  const chain = chainOf(source, byName);
  const faults = [...source.faults, ...chain.faults];
  if (faults.length > 0) {
    return { faults };
  }
  const merged = mergeDocuments(chain.sources.map(({ document }) => document));
  const { flags, faults: flagFaults } = resolveFlags(withDefaultFlags(merged), source.file);
  const found = [
    ...chain.sources.flatMap(({ document, file }) =>
      faultsInWords(document, { file, arch: merged.arch }),
    ),
    ...faultsBetweenKeys(merged, source.file),
    ...faultsInSharing(merged, source.file),
    ...faultsInPromotion(source.document?.promotion ?? {}, {
      file: source.file,
      channels: merged.channels ?? DEFAULTS.channels,
    }),
    ...flagFaults,
  ];
  if (source.document?.abstract === true) {
    return { faults: found };
  }
  const files = mergeFiles(chain.sources);
  found.push(...collisions(files.portageFiles, source.file));
  found.push(
    ...faultsInSets(files.sets, (set) => {
      const owner = chain.sources.find(({ sets }) => Object.hasOwn(sets, set));
      return `${owner?.name ?? source.name}/sets/${set}`;
    }),
  );
  const missing = REQUIRED.filter((key) => merged[key] === undefined).map(
    (key) => `${source.file}: ${key} is missing, here and in what it extends.`,
  );
  if (found.length + missing.length > 0) {
    return { faults: [...found, ...missing] };
  }
  const profile = { ...assemble(chain.sources, merged, flags), ...files };
  const inSchedules = faultsInSchedules(merged.schedule ?? {}, { ...profile, file: source.file });
  return inSchedules.length > 0 ? { faults: inSchedules } : { faults: [], profile };
}

/** The profile and what it extends, nearest first. */
function chainOf(
  source: ProfileSource,
  byName: ReadonlyMap<string, ProfileSource>,
): { readonly sources: readonly ReadSource[]; readonly faults: readonly string[] } {
  const sources: ReadSource[] = [];
  const names = [source.name];
  let current = source;
  for (;;) {
    const { document } = current;
    if (document === undefined || current.faults.length > 0) {
      const isOwn = current === source;
      return { sources, faults: isOwn ? [] : [baseIsBroken(source, current.name)] };
    }
    sources.push({ ...current, document });
    const base = document.extends;
    if (base === undefined) {
      return { sources, faults: [] };
    }
    const next = byName.get(base);
    if (names.includes(base)) {
      return { sources, faults: [goesInCircle(source, [...names, base])] };
    }
    if (next === undefined) {
      const isOwn = current === source;
      return {
        sources,
        faults: [isOwn ? noSuchBase(source, base, byName) : baseIsBroken(source, current.name)],
      };
    }
    names.push(base);
    current = next;
  }
}

function baseIsBroken({ file, document }: ProfileSource, base: string): string {
  const direct = document?.extends ?? base;
  const through = direct === base ? '' : `, which is made from "${base}"`;
  return `${file}: extends = ${show(direct)}${through}, which is broken itself.`;
}

function goesInCircle({ file, document }: ProfileSource, names: readonly string[]): string {
  return `${file}: extends = ${show(document?.extends)} goes in a circle: ${names.join(' -> ')}.`;
}

function noSuchBase(
  { file, name }: ProfileSource,
  base: string,
  byName: ReadonlyMap<string, ProfileSource>,
): string {
  const others = [...byName.keys()].filter((other) => other !== name);
  return `${file}: extends = ${show(base)}: there is no such profile.${suggestion(base, others)}`;
}

/** Documents nearest first. */
function mergeDocuments(documents: readonly ProfileDocument[]): ProfileDocument {
  const farthestFirst = documents.toReversed();
  return {
    ...farthestFirst.reduce((merged, document) => ({ ...merged, ...document }), {}),
    gate: farthestFirst.reduce<GateDocument>((all, { gate }) => ({ ...all, ...gate }), {}),
    promotion: farthestFirst.reduce<Record<string, PromotionDocument>>(
      (all, { promotion }) => ({ ...all, ...promotion }),
      {},
    ),
    retention: farthestFirst.reduce<RetentionDocument>(
      (all, { retention }) => ({ ...all, ...retention }),
      {},
    ),
    limits: farthestFirst.reduce<LimitsDocument>(
      (all, { limits = {} }) => mergeLimits(all, limits),
      {},
    ),
    schedule: farthestFirst.reduce<Schedules>(
      (all, { schedule = {} }) => mergeSchedules(all, schedule),
      {},
    ),
    distcc: farthestFirst.reduce<DistccDocument>((all, { distcc }) => ({ ...all, ...distcc }), {}),
    ccache: farthestFirst.reduce<CcacheDocument>((all, { ccache }) => ({ ...all, ...ccache }), {}),
    use: stack(
      farthestFirst.map(({ use = [] }) => use),
      'keep',
    ),
    features: stack(
      farthestFirst.map(({ features = [] }) => features),
      'keep',
    ),
    'cpu-flags': stack(
      farthestFirst.map((document) => document['cpu-flags'] ?? []),
      'drop',
    ),
  };
}

/**
 * Words of the farthest list first. `-x` takes x away; with `keep` it stays itself, because Portage has defaults of
 * its own that it has to switch off.
 */
function stack(lists: readonly (readonly string[])[], negations: 'keep' | 'drop'): string[] {
  const words = new Set<string>();
  for (const word of lists.flat()) {
    const plain = word.replace(/^-/, '');
    if (word === '-*') {
      words.clear();
    }
    words.delete(plain);
    words.delete(`-${plain}`);
    if (plain === word || negations === 'keep') {
      words.add(word);
    }
  }
  return [...words];
}

function withDefaultFlags(merged: ProfileDocument): Record<string, string> {
  const flags: Record<string, string> = {};
  for (const [key, variable] of Object.entries(FLAG_VARIABLES)) {
    const own = flagOf(merged, key);
    const follows = FOLLOW_CFLAGS.some((one) => one === key) && merged.cflags !== undefined;
    const value = own ?? (follows ? '${CFLAGS}' : undefined);
    if (value !== undefined) {
      flags[variable] = value;
    }
  }
  return flags;
}

function flagOf(document: ProfileDocument, key: string): string | undefined {
  const value = Object.entries(document).find(([name]) => name === key)?.[1];
  return typeof value === 'string' ? value : undefined;
}

function assemble(
  sources: readonly ReadSource[],
  merged: ProfileDocument,
  flags: Readonly<Record<string, string>>,
): Omit<HardwareProfile, keyof ProfileFiles> {
  const [own, ...ancestors] = sources;
  const name = own?.name ?? '';
  const settings = { ...DEFAULTS, ...merged };
  const promotion = Object.entries(merged.promotion ?? {});
  return {
    name,
    description: own?.document.description ?? '',
    ancestors: ancestors.map((ancestor) => ancestor.name),
    arch: settings.arch,
    chost: settings.chost,
    flags: { ...flags },
    cpuFlags: [...settings['cpu-flags']],
    cpuFlagsVariable: CPU_FLAGS_VARIABLES.get(settings.arch) ?? null,
    gentooProfile: settings['gentoo-profile'],
    use: [...settings.use],
    features: [...settings.features],
    makeopts: settings.makeopts,
    buildRoot: placeOf(settings['build-root'], name),
    executor: settings.executor,
    channels: [...settings.channels],
    ...(Object.keys(merged.gate ?? {}).length > 0 && { gate: gatePolicyOf(merged.gate ?? {}) }),
    ...(promotion.length > 0 && {
      promotion: Object.fromEntries(promotion.map(([to, policy]) => [to, policyOf(policy)])),
    }),
    ...requirementsIn(sources),
    ...impactIn(sources),
    ...retentionIn(merged),
    ...sharingIn(merged),
    ...limitsIn(merged),
    ...schedulesIn(merged),
  };
}

function requirementsIn(sources: readonly ReadSource[]): Pick<HardwareProfile, 'requires'> {
  const documents = sources.flatMap(({ document }) => document.requires ?? []);
  return documents.length === 0 ? {} : { requires: mergeRequirements(documents) };
}

function impactIn(sources: readonly ReadSource[]): Pick<HardwareProfile, 'impact'> {
  const documents = sources.flatMap(({ document }) => document.impact ?? []);
  return documents.length === 0 ? {} : { impact: impactPolicyOf(documents) };
}

function retentionIn({ retention = {} }: ProfileDocument): Pick<HardwareProfile, 'retention'> {
  return Object.keys(retention).length === 0 ? {} : { retention: retentionOf(retention) };
}

function limitsIn({ limits = {} }: ProfileDocument): Pick<HardwareProfile, 'limits'> {
  const { packages = {}, ...all } = limits;
  const isEmpty = Object.keys({ ...packages, ...all }).length === 0;
  return isEmpty ? {} : { limits: limitPolicyOf(limits) };
}

function schedulesIn({ schedule = {} }: ProfileDocument): Pick<HardwareProfile, 'schedules'> {
  const schedules = schedulesOf(schedule);
  return Object.keys(schedules).length === 0 ? {} : { schedules };
}

function sharingIn({ distcc, ccache }: ProfileDocument): Pick<HardwareProfile, 'compileSharing'> {
  const compileSharing = compileSharingOf(distcc, ccache);
  return compileSharing === undefined ? {} : { compileSharing };
}

function placeOf(buildRoot: BuildRoot, name: string): BuildRoot {
  return buildRoot.kind === 'host'
    ? buildRoot
    : { ...buildRoot, path: buildRoot.path.replaceAll('{profile}', name) };
}

function mergeFiles(sources: readonly ReadSource[]): ProfileFiles {
  const farthestFirst = sources.toReversed();
  const sets = farthestFirst.flatMap((source) => Object.entries(source.sets));
  const systems = farthestFirst.flatMap(({ baseSystem }) => baseSystem ?? []);
  return {
    ...(systems.length > 0 && { baseSystem: mergeBaseSystems(systems) }),
    sets: Object.fromEntries(sets.map(([name, atoms]) => [name, [...atoms]])),
    portageFiles: Object.fromEntries(
      farthestFirst.flatMap((source) => Object.entries(source.portageFiles)),
    ),
    recipes: Object.fromEntries(farthestFirst.flatMap((source) => Object.entries(source.recipes))),
  };
}

/** A name that is a file in one profile and a folder in another. */
function collisions(files: Readonly<Record<string, string>>, file: string): string[] {
  const folders = new Set(
    Object.keys(files).flatMap((path) =>
      path.split('/').map((_, index, parts) => parts.slice(0, index).join('/')),
    ),
  );
  return Object.keys(files)
    .filter((path) => folders.has(path))
    .map(
      (path) => `${file}: portage/${path} is a file here and a folder there, with what it extends.`,
    );
}
