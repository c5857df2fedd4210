import { classify } from '../../../src/fleet/impact/classify.ts';
import type { Impact, PackageImpact } from '../../../src/fleet/impact/impact.ts';
import {
  type ImpactPackage,
  readInstalled,
  readPooled,
} from '../../../src/fleet/impact/impact-package.ts';
import { NeedGraph } from '../../../src/fleet/impact/need-graph.ts';
import { changesBetween } from '../../../src/fleet/impact/package-changes.ts';
import { ImpactRules } from '../../../src/fleet/impact/rules.ts';
import type { NodeView } from '../../../src/fleet/impact/runtime-use.ts';
import type { RunningService } from '../../../src/fleet/observed/observed-node.ts';
import type { PublicationRef } from '../../../src/fleet/plan/artefact.ts';
import type { BaseSystem } from '../../../src/gentoo/base-system.ts';
import type { ImpactPolicy } from '../../../src/gentoo/impact-policy.ts';
import type { InstalledPackage } from '../../../src/repository/proof/node-report.ts';

export const PUBLICATION: PublicationRef = {
  profile: 'zen3',
  channel: 'stable',
  serial: 17,
  digest: 'd'.repeat(64),
  path: '/binhost/zen3/.publications/stable-17',
};

type Words = Readonly<Record<string, string>>;

/** A package of the pool. Metadata as in its index; `x86_64: ` stands before sonames that name no category. */
export function pooled(cpv: string, metadata: Words = {}, build = 1): ImpactPackage {
  const [category = '', pf = ''] = cpv.split('/');
  const text = { SLOT: '0', ...metadata };
  return readPooled({
    id: `${cpv}-${build}`,
    profile: 'zen3',
    category,
    pn: pf,
    cpv,
    slot: text.SLOT,
    buildId: build,
    path: `${cpv}-${build}.gpkg.tar`,
    size: 1,
    md5: '',
    sha1: '',
    sha512: '',
    mtimeSeconds: 1,
    buildTimeSeconds: 1000 + build,
    uploadSha512: '',
    keyFingerprint: '',
    inputs: null,
    origin: 'push:test',
    metadata: withCategories(text),
    stanza: '',
    importedAt: 0,
  });
}

/** A package that only the node knows. */
export function ownOf(cpv: string, values: Partial<InstalledPackage> = {}): ImpactPackage {
  const none = { buildId: null, buildTime: 5, repository: 'gentoo', use: '', provides: '' };
  return readInstalled({ cpv, slot: '0', ...none, ...values });
}

/** A program that has these files mapped: path -> CPV. */
export function running(name: string, files: Words, tree: string | null = null): RunningService {
  const mapped = Object.entries(files).map(([path, cpv]) => ({ path, cpv, isDeleted: false }));
  return { name, tree, files: mapped };
}

export function node(
  name: string,
  services: readonly RunningService[] | null = [],
  trees: Words = {},
): NodeView {
  const resident = Object.entries(trees).map(([id, requires]) => ({ id, manifest: id, requires }));
  return {
    node: name,
    profile: 'zen3',
    php: { active: null, resident },
    system: services === null ? null : systemOf(services),
  };
}

export function systemOf(services: readonly RunningService[]): NonNullable<NodeView['system']> {
  const kernel = { running: '6.12.1-gentoo-dist', installed: ['6.12.1-gentoo-dist'] };
  return { release: null, releases: [], kernel, bootId: 'b', cpuFlags: [], services };
}

export interface World {
  readonly installed: readonly ImpactPackage[];
  readonly published: readonly ImpactPackage[];
  readonly nodes?: readonly NodeView[];
  readonly base?: BaseSystem;
  readonly rules?: ImpactPolicy;
  readonly profile?: string;
}

export function impactOf(world: World): Impact {
  const { installed, published, nodes = [node('web-1')], base, rules, profile = 'zen3' } = world;
  const merge = changesBetween(installed, published, base);
  const sides = merge.changes.flatMap(({ from, to }) => [from, to].flatMap((one) => one ?? []));
  return classify({
    profile,
    installedDigest: 'i'.repeat(64),
    nodes,
    to: PUBLICATION,
    merge,
    graph: new NeedGraph([...merge.stays, ...sides]),
    rules: new ImpactRules(rules),
  });
}

/** `name -> effect` of everything that changes. */
export function effectsOf({ packages }: Impact): Readonly<Record<string, PackageImpact['effect']>> {
  return Object.fromEntries(packages.map(({ name, effect }) => [name, effect]));
}

function withCategories(metadata: Words): Words {
  const words = Object.entries(metadata).map(([key, text]) => {
    const isList = key === 'REQUIRES' || key === 'PROVIDES';
    return [key, isList && text !== '' && !text.includes(':') ? `x86_64: ${text}` : text];
  });
  return Object.fromEntries(words);
}
