import * as z from 'zod';
import { baseSystemSchema } from './base-system.ts';
import { limitPolicySchema } from './build-limits.ts';
import { compileSharingSchema } from './compile-sharing.ts';
import { gatePolicySchema } from './gate-policy.ts';
import { impactPolicySchema } from './impact-policy.ts';
import { promotionPolicySchema } from './promotion-policy.ts';
import { recipeSchema } from './recipe.ts';
import { requirementsSchema } from './requirements.ts';
import { retentionPolicySchema } from './retention-policy.ts';
import { schedulePolicySchema } from './schedule-policy.ts';

/** What may stand in a profile's or channel's name: it is part of URLs, paths and Portage's cache paths. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/;
export const nameSchema = z.string().regex(NAME_PATTERN);

export const EXECUTORS = ['portage', 'source'] as const;
export const executorSchema = z.enum(EXECUTORS);
export type Executor = z.infer<typeof executorSchema>;

export const buildRootSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('host') }),
  z.strictObject({ kind: z.literal('chroot'), path: z.string().startsWith('/') }),
  z.strictObject({ kind: z.literal('prefix'), path: z.string().startsWith('/') }),
]);
export type BuildRoot = z.infer<typeof buildRootSchema>;

/**
 * A hardware profile after `extends` has been resolved: everything an agent needs to build for it. It is sent to
 * agents as it is.
 */
export const hardwareProfileSchema = z.strictObject({
  name: nameSchema,
  description: z.string(),
  /** Names of the profiles it was made from, nearest first, itself left out. */
  ancestors: z.array(z.string()),
  /** ARCH, for instance `amd64`. */
  arch: z.string(),
  chost: z.string(),
  /** Compiler settings by their make.conf name: CFLAGS, CXXFLAGS, LDFLAGS, RUSTFLAGS ... */
  flags: z.record(z.string(), z.string()),
  /** Words of `cpuFlagsVariable`, for instance `avx2`. */
  cpuFlags: z.array(z.string()),
  /** CPU_FLAGS_X86, CPU_FLAGS_ARM or CPU_FLAGS_PPC, by arch. */
  cpuFlagsVariable: z.string().nullable(),
  /** Below the `profiles` folder of an ebuild repository, `repo:path` or `path`; null keeps the build root's own. */
  gentooProfile: z.string().nullable(),
  use: z.array(z.string()),
  features: z.array(z.string()),
  makeopts: z.string(),
  buildRoot: buildRootSchema,
  executor: executorSchema,
  /** From the first that gets new packages to the last that production uses. */
  channels: z.array(nameSchema).min(1),
  /** What promotions to a channel need, by channel; see `promotionPolicy` for those that are not here. */
  promotion: z.record(nameSchema, promotionPolicySchema).exactOptional(),
  /** What nodes have without any binhost; the gate counts on it. */
  baseSystem: baseSystemSchema.exactOptional(),
  /** How strict the gate before a publication is. */
  gate: gatePolicySchema.exactOptional(),
  /** What changing its packages does to nodes, where the usual rules do not say it. */
  impact: impactPolicySchema.exactOptional(),
  /** What its builders have to have. */
  requires: requirementsSchema.exactOptional(),
  /** What stays of the publications and packages; `DEFAULT_RETENTION` when it says nothing. */
  retention: retentionPolicySchema.exactOptional(),
  /** What builds may take, where it is not what holds for the whole installation. */
  limits: limitPolicySchema.exactOptional(),
  /** What the profile has done by itself, and when, by name. */
  schedules: z.record(z.string(), schedulePolicySchema).exactOptional(),
  /** What its builds share of compiling; nothing when it is absent. */
  compileSharing: compileSharingSchema.exactOptional(),
  /** Set name without `@` -> its atoms. */
  sets: z.record(z.string(), z.array(z.string())),
  /** Path below /etc/portage -> text of the file. */
  portageFiles: z.record(z.string(), z.string()),
  /** Recipes of the `source` executor, by CPV. */
  recipes: z.record(z.string(), recipeSchema),
});
export type HardwareProfile = z.infer<typeof hardwareProfileSchema>;

/** The profiles of an installation. A broken one stays visible, with its faults, and stops nobody else. */
export interface ProfileCatalog {
  /** Every profile that can be built for (those with `abstract = true` are left out), by name. */
  list(): readonly HardwareProfile[];
  /** Profiles that could not be read: name -> sentences, each naming file, key and value. */
  broken(): Readonly<Record<string, readonly string[]>>;
  /** Throws `unknown-profile`, or `profile-broken` with the faults. */
  get(name: string): HardwareProfile;
}
