import * as z from 'zod';
import { show } from './document-faults.ts';

const MIB = 1024 * 1024;
const MAX_MIB = 16 * 1024 * 1024;
/** Settings that make a compiler look at the machine it runs on. */
const NATIVE = /(?:^|\s)-m(?:arch|cpu|tune)=native(?=\s|$)/;
const FLAG_KEYS = ['cflags', 'cxxflags', 'cppflags', 'fflags', 'fcflags', 'ldflags'] as const;

/** The table `[distcc]` of a profile.toml. */
export const distccDocumentSchema = z.strictObject({ enabled: z.boolean().exactOptional() });
export type DistccDocument = z.infer<typeof distccDocumentSchema>;

const SIZE_RULE = `has to be a whole number of MiB from 1 to ${MAX_MIB}`;

/** The table `[ccache]` of a profile.toml. */
export const ccacheDocumentSchema = z.strictObject({
  enabled: z.boolean().exactOptional(),
  'max-mib': z
    .number({ error: SIZE_RULE })
    .int(SIZE_RULE)
    .min(1, SIZE_RULE)
    .max(MAX_MIB, SIZE_RULE)
    .exactOptional(),
});
export type CcacheDocument = z.infer<typeof ccacheDocumentSchema>;

/** What the builds of a profile share of compiling; what is off is not in it. */
export const compileSharingSchema = z.strictObject({
  /** Builds give files to the distccd of other agents. */
  distcc: z.boolean(),
  /** Most bytes that the shared ccache of the profile has on the server; null: there is none. */
  ccacheBytes: z.number().int().min(1).nullable(),
});
export type CompileSharing = z.infer<typeof compileSharingSchema>;

const DEFAULT_CCACHE_MIB = 5120;

/** Undefined when neither is on. */
export function compileSharingOf(
  distcc: DistccDocument = {},
  ccache: CcacheDocument = {},
): CompileSharing | undefined {
  const sharing = {
    distcc: distcc.enabled === true,
    ccacheBytes: ccache.enabled === true ? (ccache['max-mib'] ?? DEFAULT_CCACHE_MIB) * MIB : null,
  };
  return sharing.distcc || sharing.ccacheBytes !== null ? sharing : undefined;
}

/** Sentences for compiler settings that mean something else on each machine, where machines share what they compile. */
export function faultsInSharing(
  document: Partial<Record<(typeof FLAG_KEYS)[number], string>> & {
    readonly distcc?: DistccDocument;
    readonly ccache?: CcacheDocument;
  },
  file: string,
): string[] {
  const sharing = compileSharingOf(document.distcc, document.ccache);
  if (sharing === undefined) {
    return [];
  }
  const table = sharing.distcc ? 'distcc' : 'ccache';
  return FLAG_KEYS.filter((key) => NATIVE.test(document[key] ?? '')).map(
    (key) =>
      `${file}: ${key} = ${show(document[key])}: with [${table}] enabled, "native" would be the processor of whichever machine compiles the file; name the processor, as "-march=x86-64-v3" does.`,
  );
}

/** A host of DISTCC_HOSTS: an IPv4 address or a name, without any of the words that distcc has for more than that. */
export const COMPILE_HOST = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;
