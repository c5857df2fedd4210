/** Flags that `/proc/cpuinfo` calls otherwise than CPU_FLAGS_X86 does (`profiles/desc/cpu_flags_x86.desc`). */
const X86_NAMES: Readonly<Record<string, readonly string[]>> = {
  fma: ['fma3'],
  pclmulqdq: ['pclmul'],
  phe: ['padlock'],
  pni: ['sse3'],
  sha_ni: ['sha'],
  sse: ['sse', 'mmxext'],
};

/** Names that both have in common. */
const X86_FLAGS = new Set(
  `3dnow 3dnowext aes amx_bf16 amx_complex amx_fp16 amx_int8 amx_tile avx avx2 avx512_4fmaps avx512_4vnniw
   avx512_bf16 avx512_bitalg avx512_fp16 avx512_vbmi2 avx512_vnni avx512_vp2intersect avx512_vpopcntdq avx512bw
   avx512cd avx512dq avx512er avx512f avx512ifma avx512pf avx512vbmi avx512vl avx_vnni avx_vnni_int16 avx_vnni_int8
   bmi1 bmi2 f16c fma4 gfni mmx mmxext popcnt rdrand sse2 sse4_1 sse4_2 sse4a ssse3 vaes vpclmulqdq xop`.split(
    /\s+/,
  ),
);

/** As above for CPU_FLAGS_ARM. */
const ARM_NAMES: Readonly<Record<string, readonly string[]>> = {
  asimd: ['neon', 'vfp', 'vfpv3', 'vfpv4', 'vfp-d32'],
  asimddp: ['asimddp'],
  fp: ['vfp'],
};
const ARM_FLAGS = new Set(
  'aes asimdfhm crc32 edsp i8mm iwmmxt iwmmxt2 neon sha1 sha2 sve sve2 thumb vfp vfpv3 vfpv4'.split(
    ' ',
  ),
);

/**
 * What the first processor of `/proc/cpuinfo` can do, in the words of CPU_FLAGS_X86 or CPU_FLAGS_ARM, sorted.
 * Nothing for other machines.
 */
export function cpuFlagsOf(cpuinfo: string): string[] {
  const x86 = wordsOf(cpuinfo, /^flags\s*:(.*)$/m);
  if (x86.length > 0) {
    return translate(x86, X86_NAMES, X86_FLAGS);
  }
  return translate(wordsOf(cpuinfo, /^Features\s*:(.*)$/m), ARM_NAMES, ARM_FLAGS);
}

function wordsOf(cpuinfo: string, line: RegExp): string[] {
  return (line.exec(cpuinfo)?.[1] ?? '').trim().split(/\s+/).filter(Boolean);
}

function translate(
  words: readonly string[],
  names: Readonly<Record<string, readonly string[]>>,
  same: ReadonlySet<string>,
): string[] {
  const flags = words.flatMap((word) => names[word] ?? (same.has(word) ? [word] : []));
  return [...new Set(flags)].toSorted();
}
