import * as z from 'zod';
import { ARCHES } from './arches.ts';
import { LIMIT_KEYS, limitsDocumentSchema } from './build-limits.ts';
import { ccacheDocumentSchema, distccDocumentSchema } from './compile-sharing.ts';
import { type DocumentKeys, describeFaults, show } from './document-faults.ts';
import { gateDocumentSchema } from './gate-policy.ts';
import { IMPACT_ROW_KEYS, impactDocumentSchema } from './impact-policy.ts';
import { EXECUTORS, NAME_PATTERN } from './profile.ts';
import { promotionDocumentSchema } from './promotion-policy.ts';
import {
  PACKAGE_REQUIREMENT_KEYS,
  REQUIREMENT_KEYS,
  requirementsDocumentSchema,
} from './requirements.ts';
import { retentionDocumentSchema } from './retention-policy.ts';
import { SCHEDULE_KEYS, SCHEDULE_NAME, scheduleDocumentSchema } from './schedule-policy.ts';
import { isUseFlag } from './use-dependency.ts';
import { isWholeText } from './whitespace.ts';

/** Keys of compiler settings in a profile.toml -> variables of make.conf. */
export const FLAG_VARIABLES = {
  cflags: 'CFLAGS',
  cxxflags: 'CXXFLAGS',
  cppflags: 'CPPFLAGS',
  fflags: 'FFLAGS',
  fcflags: 'FCFLAGS',
  ldflags: 'LDFLAGS',
  rustflags: 'RUSTFLAGS',
  goflags: 'GOFLAGS',
} as const;
export type FlagKey = keyof typeof FLAG_VARIABLES;

/** USE_EXPAND variable for the instructions of a processor, by ARCH. */
export const CPU_FLAGS_VARIABLES: ReadonlyMap<string, string> = new Map([
  ['amd64', 'CPU_FLAGS_X86'],
  ['x86', 'CPU_FLAGS_X86'],
  ['arm', 'CPU_FLAGS_ARM'],
  ['arm64', 'CPU_FLAGS_ARM'],
  ['ppc', 'CPU_FLAGS_PPC'],
  ['ppc64', 'CPU_FLAGS_PPC'],
]);

const MAX_LINE = 4000;
const MAX_WORDS = 2000;
const GENTOO_PROFILE =
  /^(?:[A-Za-z0-9_][A-Za-z0-9_-]*:)?[A-Za-z0-9_][\w.+-]*(?:\/[A-Za-z0-9_][\w.+-]*)*$/;
const CHOST = /^[a-z0-9_]+(?:-[A-Za-z0-9_.]+){2,3}$/;
const ARCH = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;
const FEATURE = /^-?[a-z][a-z0-9-]*$/;
const CPU_FLAG = /^-?[a-z0-9][a-z0-9_-]*$/;
const ROOT_PATH = /^\/.*[^/]/;

const line = z
  .string()
  .max(MAX_LINE, `may have at most ${MAX_LINE} characters`)
  .refine(isWholeText, 'has to be one line without control characters');
const name = z
  .string()
  .regex(
    NAME_PATTERN,
    'has to be of small letters, digits, ".", "_" and "-", at most 64, the first a letter or digit',
  );

function words(isValid: (word: string) => boolean, rule: string) {
  const word = z.string().refine((text) => text === '-*' || isValid(text), rule);
  return z.array(word).max(MAX_WORDS, `may have at most ${MAX_WORDS} words`);
}

const path = line
  .regex(ROOT_PATH, 'has to be an absolute path, not the root folder itself')
  .refine((text) => !text.split('/').includes('..'), 'may not have ".." in it');

const buildRoot = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('host') }),
    z.strictObject({ kind: z.literal('chroot'), path }),
    z.strictObject({ kind: z.literal('prefix'), path }),
  ],
  { error: 'has to be "host", "chroot" or "prefix"' },
);

/** One profile.toml, before `extends` is resolved. Every key may be left out. */
export const profileDocumentSchema = z.strictObject({
  description: line.exactOptional(),
  /** Only for others to extend; not built for itself. */
  abstract: z.boolean().exactOptional(),
  extends: name.exactOptional(),
  arch: line.regex(ARCH, 'has to be a word of Gentoo such as "amd64"').exactOptional(),
  chost: line.regex(CHOST, 'has to look like "x86_64-pc-linux-gnu"').exactOptional(),
  cflags: line.exactOptional(),
  cxxflags: line.exactOptional(),
  cppflags: line.exactOptional(),
  fflags: line.exactOptional(),
  fcflags: line.exactOptional(),
  ldflags: line.exactOptional(),
  rustflags: line.exactOptional(),
  goflags: line.exactOptional(),
  'cpu-flags': words(
    (word) => CPU_FLAG.test(word),
    'has to be a word of CPU_FLAGS_*, with "-" before it to take it away',
  ).exactOptional(),
  'gentoo-profile': line
    .regex(GENTOO_PROFILE, 'has to be a path below "profiles", with or without "repo:" before it')
    .exactOptional(),
  use: words(
    (word) => isUseFlag(word.replace(/^-/, '')),
    'has to be a USE flag, with "-" before it to switch it off',
  ).exactOptional(),
  features: words(
    (word) => FEATURE.test(word),
    'has to be a word of FEATURES, with "-" before it to switch it off',
  ).exactOptional(),
  makeopts: line.exactOptional(),
  executor: z.enum(EXECUTORS).exactOptional(),
  channels: z
    .array(name)
    .min(1, 'needs at least one channel')
    .refine((names) => new Set(names).size === names.length, 'names a channel twice')
    .exactOptional(),
  promotion: z.record(name, promotionDocumentSchema).exactOptional(),
  gate: gateDocumentSchema.exactOptional(),
  impact: impactDocumentSchema.exactOptional(),
  requires: requirementsDocumentSchema.exactOptional(),
  retention: retentionDocumentSchema.exactOptional(),
  limits: limitsDocumentSchema.exactOptional(),
  schedule: z
    .record(z.string(), scheduleDocumentSchema)
    .refine(
      (schedules) => Object.keys(schedules).every((one) => SCHEDULE_NAME.test(one)),
      'has to have a table for each schedule, with a name of small letters, digits, "_" and "-", such as [schedule.nightly]',
    )
    .exactOptional(),
  distcc: distccDocumentSchema.exactOptional(),
  ccache: ccacheDocumentSchema.exactOptional(),
  'build-root': buildRoot.exactOptional(),
});
export type ProfileDocument = z.infer<typeof profileDocumentSchema>;

const KEYS: DocumentKeys = {
  '': Object.keys(profileDocumentSchema.shape),
  'build-root': ['kind', 'path'],
  distcc: Object.keys(distccDocumentSchema.shape),
  ccache: Object.keys(ccacheDocumentSchema.shape),
  gate: Object.keys(gateDocumentSchema.shape),
  impact: Object.keys(impactDocumentSchema.shape),
  requires: REQUIREMENT_KEYS,
  retention: Object.keys(retentionDocumentSchema.shape),
  limits: Object.keys(limitsDocumentSchema.shape),
};

/** The document, or a sentence for everything that is wrong with it. */
export function readProfileDocument(
  value: unknown,
  file: string,
):
  | { readonly document: ProfileDocument; readonly faults: readonly [] }
  | { readonly document: undefined; readonly faults: readonly string[] } {
  const result = profileDocumentSchema.safeParse(value);
  return result.success
    ? { document: result.data, faults: [] }
    : {
        document: undefined,
        faults: describeFaults(result.error, value, {
          file,
          keys: {
            ...KEYS,
            ...promotionTables(value),
            ...packageTables(value),
            ...limitTables(value),
            ...scheduleTables(value),
            ...impactRows(value),
          },
        }),
      };
}

/** The tables below `limits.packages`, which have the names of packages. */
function limitTables(value: unknown): DocumentKeys {
  const packages = z
    .looseObject({ limits: z.looseObject({ packages: z.record(z.string(), z.unknown()) }) })
    .safeParse(value).data?.limits.packages;
  return Object.fromEntries(
    Object.keys(packages ?? {}).map((own) => [`limits.packages.${own}`, LIMIT_KEYS]),
  );
}

/** The tables below `schedule`, which have names of their own. */
function scheduleTables(value: unknown): DocumentKeys {
  const schedules = z.looseObject({ schedule: z.record(z.string(), z.unknown()) }).safeParse(value)
    .data?.schedule;
  return Object.fromEntries(
    Object.keys(schedules ?? {}).map((one) => [`schedule.${one}`, SCHEDULE_KEYS]),
  );
}

/** The rows below `impact`, which have numbers. */
function impactRows(value: unknown): DocumentKeys {
  const rows = z.looseObject({
    impact: z.looseObject({
      package: z.array(z.unknown()).optional(),
      program: z.array(z.unknown()).optional(),
    }),
  });
  const { package: packages = [], program = [] } = rows.safeParse(value).data?.impact ?? {};
  return Object.fromEntries([
    ...packages.map((_, at) => [`impact.package[${at}]`, IMPACT_ROW_KEYS.package]),
    ...program.map((_, at) => [`impact.program[${at}]`, IMPACT_ROW_KEYS.program]),
  ]);
}

/** The tables below `promotion`, which have the names of channels. */
function promotionTables(value: unknown): DocumentKeys {
  const { promotion } = z.looseObject({ promotion: z.unknown() }).safeParse(value).data ?? {};
  const channels = typeof promotion === 'object' && promotion !== null ? promotion : {};
  const known = Object.keys(promotionDocumentSchema.shape);
  return Object.fromEntries(
    Object.keys(channels).map((channel) => [`promotion.${channel}`, known]),
  );
}

/** The tables below `requires.package`, which have the names of packages. */
function packageTables(value: unknown): DocumentKeys {
  const shape = z.looseObject({ requires: z.looseObject({ package: z.unknown() }) });
  const packages = shape.safeParse(value).data?.requires.package;
  const names = typeof packages === 'object' && packages !== null ? Object.keys(packages) : [];
  return Object.fromEntries(
    names.map((one) => [`requires.package.${one}`, PACKAGE_REQUIREMENT_KEYS]),
  );
}

/** CPU part of a CHOST that goes with an ARCH; arches that are not here are not checked. */
const CHOST_CPUS: ReadonlyMap<string, RegExp> = new Map([
  ['amd64', /^x86_64$/],
  ['x86', /^i[3-6]86$/],
  ['arm', /^arm/],
  ['arm64', /^aarch64/],
  ['ppc', /^powerpc$/],
  ['ppc64', /^powerpc64/],
  ['riscv', /^riscv(?:32|64)$/],
  ['s390', /^s390/],
  ['loong', /^loongarch/],
  ['mips', /^mips/],
  ['sparc', /^sparc/],
  ['alpha', /^alpha/],
  ['hppa', /^hppa/],
]);

/** Sentences for values that are right alone and wrong together. `file` is where the profile begins. */
export function faultsBetweenKeys(document: ProfileDocument, file: string): string[] {
  const faults: string[] = [];
  const { arch, chost, 'cpu-flags': cpuFlags = [] } = document;
  const cpu = chost?.split('-', 1)[0] ?? '';
  const pattern = arch === undefined ? undefined : CHOST_CPUS.get(arch);
  if (chost !== undefined && pattern?.test(cpu) === false) {
    faults.push(`${file}: chost = ${show(chost)} is not a CHOST of arch = ${show(arch)}.`);
  }
  const hasVariable = arch === undefined || CPU_FLAGS_VARIABLES.has(arch);
  if (cpuFlags.length > 0 && !hasVariable && ARCHES.includes(arch)) {
    faults.push(
      `${file}: cpu-flags = ${show(cpuFlags)}: Gentoo has no CPU_FLAGS variable for arch = ${show(arch)}.`,
    );
  }
  return faults;
}
