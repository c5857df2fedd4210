import { isCpv } from '../gentoo/cpv.ts';
import type { PortagePlan } from '../gentoo/portage-plan.ts';
import type { PackageRecord } from '../repository/package-record.ts';
import { AppError } from '../support/errors.ts';
import type { BuildPlan, PlannedJob } from './build-plan.ts';
import { type PlanEdge, planNeeds, type Strength } from './plan-needs.ts';

/** PMS 3.1.5. */
const REPOSITORY_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

type PlanPackage = PortagePlan['packages'][number];

/** The builds of a CPV that the repository has. */
export type KnownBuilds = ReadonlyMap<
  string,
  readonly Pick<PackageRecord, 'id' | 'buildId' | 'buildTimeSeconds'>[]
>;

/** The CPVs whose builds `planFromPortage` wants to know. */
export function cpvsToLookUp(plan: PortagePlan): string[] {
  return [...new Set(plan.packages.filter(({ type }) => type !== 'ebuild').map(({ cpv }) => cpv))];
}

/**
 * Turns what Portage's resolver answered into jobs. An `ebuild` becomes a job; a `binary` is a package of the
 * repository; what is `installed` is one too when the repository has that very build, so that what is published is
 * complete, and otherwise belongs to the build root.
 *
 * Throws `plan-invalid`, `plan-package-missing`, `plan-cycle`, `plan-too-large`.
 */
export function planFromPortage(plan: PortagePlan, known: KnownBuilds): BuildPlan {
  const nodes = indexPackages(plan.packages);
  const needs = planNeeds(
    nodes.packages.map(({ cpv, type }) => ({ name: cpv, isJob: type === 'ebuild' })),
    plan.edges.flatMap((edge) => toEdge(edge, nodes.indexOf)),
  );
  const jobIndexOf = new Map<number, number>();
  for (const [index, { type }] of nodes.packages.entries()) {
    if (type === 'ebuild') {
      jobIndexOf.set(index, jobIndexOf.size);
    }
  }
  const jobs = [...jobIndexOf.keys()].map((index): PlannedJob => {
    const { cpv, repo } = nodes.packages[index] ?? { cpv: '', repo: '' };
    return {
      name: cpv,
      spec: { kind: 'portage-package', cpv, repo },
      needs: (needs[index] ?? []).flatMap((need) => jobIndexOf.get(need) ?? []),
    };
  });
  const reused = nodes.packages.flatMap((node) => reusedPackage(node, known));
  return { jobs, reused: [...new Set(reused)] };
}

/** One node for each ebuild, also when it is to be merged into several roots: it is built once. */
function indexPackages(packages: readonly PlanPackage[]): {
  readonly packages: readonly PlanPackage[];
  readonly indexOf: ReadonlyMap<string, number>;
} {
  const indexOf = new Map<string, number>();
  const indexOfEbuild = new Map<string, number>();
  const nodes: PlanPackage[] = [];
  for (const node of packages) {
    checkNames(node);
    if (indexOf.has(node.id)) {
      throw invalid(`it has two packages with the id ${node.id}`);
    }
    const known = node.type === 'ebuild' ? indexOfEbuild.get(node.cpv) : undefined;
    const index = known ?? nodes.length;
    if (known === undefined) {
      nodes.push(node);
    } else if (nodes[known]?.repo !== node.repo) {
      throw invalid(`it has ${node.cpv} from both ${nodes[known]?.repo} and ${node.repo}`);
    }
    indexOf.set(node.id, index);
    if (node.type === 'ebuild') {
      indexOfEbuild.set(node.cpv, index);
    }
  }
  return { packages: nodes, indexOf };
}

/** What is to be built ends up in an emerge command, so it has to be what it should be. */
function checkNames({ type, cpv, repo }: PlanPackage): void {
  if (type === 'ebuild' && !isCpv(cpv)) {
    throw invalid(`${cpv} is not category/package-version`);
  }
  if (type === 'ebuild' && !REPOSITORY_NAME.test(repo)) {
    throw invalid(`${repo} is not the name of an ebuild repository`);
  }
}

const STRENGTHS: readonly (readonly [Strength, readonly string[]])[] = [
  ['build', ['buildtime', 'buildtime_slot_op']],
  ['install', ['installtime']],
  ['run', ['runtime', 'runtime_slot_op']],
];

/** `runtime_post` and `optional` edges block nothing. What is to be renewed may be needed at run time too. */
function toEdge(
  edge: PortagePlan['edges'][number],
  indexOf: ReadonlyMap<string, number>,
): PlanEdge[] {
  const from = indexOf.get(edge.from);
  const to = indexOf.get(edge.to);
  if (from === undefined || to === undefined) {
    const unknown = from === undefined ? edge.from : edge.to;
    throw invalid(`an edge names ${unknown}, which is not among its packages`);
  }
  const [strength, ...weaker] = STRENGTHS.flatMap(([name, kinds]) =>
    edge.kinds.some((kind) => kinds.includes(kind)) ? [name] : [],
  );
  if (strength === undefined) {
    return [];
  }
  return strength === 'build' && edge.satisfied === true
    ? (['renew', ...weaker] as const).map((each) => ({ from, to, strength: each }))
    : [{ from, to, strength }];
}

/** Whether what a plan takes as it is, a binary or what is installed, is this build of its CPV. */
export function isBuildOf(
  { type, buildId, buildTime }: PlanPackage,
  build: Pick<PackageRecord, 'buildId' | 'buildTimeSeconds'>,
): boolean {
  return type === 'installed'
    ? build.buildTimeSeconds === buildTime
    : type === 'binary' && build.buildId === buildId;
}

function reusedPackage(node: PlanPackage, known: KnownBuilds): string[] {
  const builds = known.get(node.cpv) ?? [];
  const build = builds.find((one) => isBuildOf(node, one));
  if (node.type !== 'binary') {
    return build === undefined ? [] : [build.id];
  }
  if (build === undefined) {
    throw new AppError(
      'plan-package-missing',
      `The plan uses the binary package ${node.cpv} with BUILD_ID ${node.buildId}, which the repository does not have.`,
      { details: { cpv: node.cpv, buildId: node.buildId } },
    );
  }
  return [build.id];
}

function invalid(what: string): AppError {
  return new AppError('plan-invalid', `The plan cannot be used: ${what}.`);
}
