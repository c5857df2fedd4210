import * as z from 'zod';
import { executorSchema, type HardwareProfile } from '../gentoo/profile.ts';
import { requirementsFor } from '../gentoo/requirements.ts';

/** What a job needs of the agent that builds it. Jobs with the same needs form a lane of the queue. */
export const jobNeedsSchema = z.strictObject({
  profile: z.string(),
  executor: executorSchema,
  chost: z.string(),
  /** The build root brings its own compiler and C library; else they are the agent's. */
  hasOwnRoot: z.boolean(),
  /** `gcc-14`, `gcc-14.2`; null when any will do. */
  compiler: z.string().nullable(),
  memoryBytes: z.number(),
  diskBytes: z.number(),
  labels: z.array(z.string()),
});
export type JobNeeds = z.infer<typeof jobNeedsSchema>;

/** What an agent can do, as far as it has said. */
export interface Ability {
  /** The only profiles that it serves; empty means all. */
  readonly profiles: readonly string[];
  readonly executors: readonly string[];
  readonly chost: string;
  /** `gcc-14.2.1`; null when it has not said. */
  readonly compiler: string | null;
  readonly memoryBytes: number;
  /** Free where it builds; null when it has not said. */
  readonly diskFreeBytes: number | null;
  readonly labels: readonly string[];
}

export const LACKS = [
  'profile',
  'executor',
  'chost',
  'compiler',
  'memory',
  'disk',
  'label',
] as const;

/** One thing that a job needs and an agent does not have. */
export interface Lack {
  readonly what: (typeof LACKS)[number];
  readonly wanted: string;
  readonly has: string;
}

/** What a job of this profile needs; `packageName` is its category/name, null for a plan. */
export function needsOf(profile: HardwareProfile, packageName: string | null): JobNeeds {
  const { memoryBytes, diskBytes, labels, compiler } = requirementsFor(
    profile.requires,
    packageName,
  );
  return {
    profile: profile.name,
    executor: profile.executor,
    chost: profile.chost,
    hasOwnRoot: profile.buildRoot.kind !== 'host',
    compiler,
    memoryBytes,
    diskBytes,
    labels: labels.toSorted(),
  };
}

/** Everything that keeps this agent from building this job; empty when it fits. */
export function lacksOf(needs: JobNeeds, agent: Ability): Lack[] {
  return [...lacksOfKind(needs, agent), ...lacksOfSize(needs, agent)];
}

function lacksOfKind(needs: JobNeeds, agent: Ability): Lack[] {
  const { profile, executor, chost, compiler } = needs;
  const lacks: Lack[] = [];
  if (agent.profiles.length > 0 && !agent.profiles.includes(profile)) {
    lacks.push({ what: 'profile', wanted: profile, has: list(agent.profiles) });
  }
  if (!agent.executors.includes(executor)) {
    lacks.push({ what: 'executor', wanted: executor, has: list(agent.executors) });
  }
  if (!canBuildFor(needs, agent.chost)) {
    lacks.push({ what: 'chost', wanted: chost, has: agent.chost });
  }
  const isAsked = !needs.hasOwnRoot && compiler !== null && agent.compiler !== null;
  if (isAsked && !isVersionOf(agent.compiler, compiler)) {
    lacks.push({ what: 'compiler', wanted: compiler, has: agent.compiler });
  }
  return lacks;
}

function lacksOfSize(needs: JobNeeds, agent: Ability): Lack[] {
  const lacks: Lack[] = [];
  if (agent.memoryBytes < needs.memoryBytes) {
    const [wanted, has] = [gib(needs.memoryBytes), gib(agent.memoryBytes)];
    lacks.push({ what: 'memory', wanted, has });
  }
  if (agent.diskFreeBytes !== null && agent.diskFreeBytes < needs.diskBytes) {
    const [wanted, has] = [gib(needs.diskBytes), gib(agent.diskFreeBytes)];
    lacks.push({ what: 'disk', wanted, has });
  }
  for (const label of needs.labels.filter((one) => !agent.labels.includes(one))) {
    lacks.push({ what: 'label', wanted: label, has: list(agent.labels) });
  }
  return lacks;
}

function list(words: readonly string[]): string {
  return words.length === 0 ? 'none' : words.join(' ');
}

export function fits(needs: JobNeeds, agent: Ability): boolean {
  return lacksOf(needs, agent).length === 0;
}

const IS_X86_32 = /^i[3-6]86$/;

/**
 * The vendor of a CHOST says nothing about what it can do. A build root of its own needs a processor that can run it;
 * without one, kernel and C library have to be the agent's as well.
 */
function canBuildFor(needs: JobNeeds, agentChost: string): boolean {
  const wanted = systemOf(needs.chost);
  const has = systemOf(agentChost);
  const runs =
    wanted.cpu === has.cpu ||
    (needs.hasOwnRoot && has.cpu === 'x86_64' && IS_X86_32.test(wanted.cpu));
  return runs && (needs.hasOwnRoot || wanted.system === has.system);
}

/** `x86_64-pc-linux-gnu` and `x86_64-linux-gnu` are both x86_64 with the system linux-gnu. */
function systemOf(chost: string): { readonly cpu: string; readonly system: string } {
  const [cpu = '', ...rest] = chost.split('-');
  const kernel = rest.findIndex((word) => word.startsWith('linux'));
  return { cpu, system: rest.slice(Math.max(kernel, 0)).join('-') };
}

/** `gcc-14.2.1` is of the version `gcc-14`, and not of `gcc-1`. */
function isVersionOf(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`);
}

const GIB = 1024 ** 3;

function gib(bytes: number): string {
  return `${Number((bytes / GIB).toFixed(1))} GiB`;
}
