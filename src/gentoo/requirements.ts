import * as z from 'zod';
import { isCategory, isPackageName } from './cpv.ts';

/** What some packages need of a builder beyond what its profile says of all. */
const packageRequirementsSchema = z.strictObject({
  memoryBytes: z.number().int().min(0).exactOptional(),
  diskBytes: z.number().int().min(0).exactOptional(),
  labels: z.array(z.string()).exactOptional(),
});

/** What the builders of a profile have to have. */
export const requirementsSchema = z.strictObject({
  /** `gcc-14` or `gcc-14.2`: of the builder itself, when builds have no root of their own. */
  compiler: z.string().exactOptional(),
  memoryBytes: z.number().int().min(0).exactOptional(),
  /** Free where it builds. */
  diskBytes: z.number().int().min(0).exactOptional(),
  labels: z.array(z.string()).exactOptional(),
  /** category/name -> what that package needs. */
  packages: z.record(z.string(), packageRequirementsSchema).exactOptional(),
});
export type Requirements = z.infer<typeof requirementsSchema>;

export const LABEL = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const COMPILER = /^[a-z][a-z0-9+_]*-[0-9]+(?:\.[0-9]+)*$/;
const MAX_GIB = 65_536;
const MAX_LABELS = 100;
const GIB = 1024 ** 3;

const gib = z
  .number({ error: 'has to be a number of GiB' })
  .min(0, 'has to be 0 or more')
  .max(MAX_GIB, `may be at most ${MAX_GIB}`)
  .exactOptional();
const labels = z
  .array(
    z
      .string()
      .regex(LABEL, 'has to be of small letters, digits, ".", "_" and "-", at most 64 of them'),
  )
  .max(MAX_LABELS, `may have at most ${MAX_LABELS} labels`)
  .exactOptional();

const packageDocumentSchema = z.strictObject({ 'memory-gib': gib, 'disk-gib': gib, labels });

/** The table `[requires]` of a profile.toml. */
export const requirementsDocumentSchema = z.strictObject({
  compiler: z
    .string()
    .regex(COMPILER, 'has to be a name and a version, such as "gcc-14" or "gcc-14.2"')
    .exactOptional(),
  'memory-gib': gib,
  'disk-gib': gib,
  labels,
  package: z
    .record(
      z.string().refine(isName, 'has to be category/name, without a version'),
      packageDocumentSchema,
    )
    .exactOptional(),
});
export type RequirementsDocument = z.infer<typeof requirementsDocumentSchema>;

export const REQUIREMENT_KEYS: readonly string[] = Object.keys(requirementsDocumentSchema.shape);
export const PACKAGE_REQUIREMENT_KEYS: readonly string[] = Object.keys(packageDocumentSchema.shape);

function isName(text: string): boolean {
  const [category = '', name = '', ...rest] = text.split('/');
  return rest.length === 0 && isCategory(category) && isPackageName(name);
}

/** Documents, the nearest profile first: its values replace those of what it extends, package by package. */
export function mergeRequirements(documents: readonly RequirementsDocument[]): Requirements {
  const farthestFirst = documents.toReversed();
  const merged: RequirementsDocument = Object.assign({}, ...farthestFirst);
  const packages = farthestFirst.flatMap((document) => Object.entries(document.package ?? {}));
  return {
    ...(merged.compiler !== undefined && { compiler: merged.compiler }),
    ...sizesAndLabels(merged),
    ...(packages.length > 0 && {
      packages: Object.fromEntries(packages.map(([name, one]) => [name, sizesAndLabels(one)])),
    }),
  };
}

function sizesAndLabels(
  document: z.infer<typeof packageDocumentSchema>,
): z.infer<typeof packageRequirementsSchema> {
  const { 'memory-gib': memory, 'disk-gib': disk, labels: words } = document;
  return {
    ...(memory !== undefined && { memoryBytes: Math.round(memory * GIB) }),
    ...(disk !== undefined && { diskBytes: Math.round(disk * GIB) }),
    ...(words !== undefined && { labels: [...new Set(words)] }),
  };
}

export interface BuilderNeeds {
  readonly compiler: string | null;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly labels: readonly string[];
}

const NOTHING: BuilderNeeds = { compiler: null, memoryBytes: 0, diskBytes: 0, labels: [] };

/** What a builder needs for this package, or for a plan when it is null. A package has its labels besides those of all. */
export function requirementsFor(
  requirements: Requirements | undefined,
  packageName: string | null,
): BuilderNeeds {
  const { packages = {}, ...general } = requirements ?? {};
  const all = { ...NOTHING, ...general };
  const own = packageName === null ? undefined : packages[packageName];
  return { ...all, ...own, labels: [...new Set([...all.labels, ...(own?.labels ?? [])])] };
}
