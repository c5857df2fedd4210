import type { InstalledPackage } from './node-report.ts';

/** A build that a publication shows. */
export interface PublishedBuild {
  readonly cpv: string;
  readonly buildId: number;
  readonly buildTimeSeconds: number;
  /** The numbers it had before it was signed again: a node that has one of them has the same image. */
  readonly formerBuildIds?: readonly number[];
}

export interface Comparison {
  /** Packages of the publication that the node has, the very build. */
  readonly same: number;
  /** What it has instead of a build of the publication, a sentence each. */
  readonly differences: readonly string[];
}

/**
 * Compares what a node has installed with what a publication shows of the same category/pn:slot (`slotKey`). What is
 * only on one side is no difference: a node need not install everything, and its base system is its own.
 */
export function compareInstalled(
  installed: readonly (readonly [key: string, InstalledPackage])[],
  published: ReadonlyMap<string, readonly PublishedBuild[]>,
): Comparison {
  let same = 0;
  const differences: string[] = [];
  for (const [key, has] of installed) {
    const builds = published.get(key);
    if (builds?.some((build) => isBuild(has, build))) {
      same += 1;
    } else if (builds !== undefined) {
      differences.push(differenceOf(key, has, builds));
    }
  }
  return { same, differences };
}

/** What tells which build is installed. */
type InstalledBuild = Pick<InstalledPackage, 'cpv' | 'buildId' | 'buildTime'>;

/** Whether what is installed is this very build. */
export function isBuild(has: InstalledBuild, build: PublishedBuild): boolean {
  return isNumbered(has, build) && has.buildTime === build.buildTimeSeconds;
}

function isNumbered(has: InstalledBuild, build: PublishedBuild): boolean {
  const { cpv, buildId, formerBuildIds = [] } = build;
  const numbers: readonly (number | null)[] = [buildId, ...formerBuildIds];
  return has.cpv === cpv && numbers.includes(has.buildId);
}

/** BUILD_TIME is named where CPV and number do not tell two builds apart. */
function differenceOf(
  key: string,
  has: InstalledPackage,
  builds: readonly PublishedBuild[],
): string {
  const isTimed = builds.some((build) => isNumbered(has, build));
  const time = (seconds: number | null): string =>
    isTimed ? ` with BUILD_TIME ${seconds ?? 'unknown'}` : '';
  const number = has.buildId === null ? ' without a build number' : ` build ${has.buildId}`;
  const wanted = builds.map(
    (build) => `${build.cpv} build ${build.buildId}${time(build.buildTimeSeconds)}`,
  );
  return `${key}: installed is ${has.cpv}${number}${time(has.buildTime)}, published is ${wanted.join(' and ')}`;
}
