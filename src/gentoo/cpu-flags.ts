/** Words of the USE_EXPAND variables for processors (`profiles/desc/cpu_flags_*.desc` of Gentoo), by variable. */
export const CPU_FLAG_WORDS: Readonly<Record<string, readonly string[]>> = {
  CPU_FLAGS_X86: wordsOf(`
    3dnow 3dnowext aes amx_bf16 amx_complex amx_fp16 amx_int8 amx_tile avx avx2 avx512_4fmaps avx512_4vnniw
    avx512_bf16 avx512_bitalg avx512_fp16 avx512_vbmi2 avx512_vnni avx512_vp2intersect avx512_vpopcntdq avx512bw
    avx512cd avx512dq avx512er avx512f avx512ifma avx512pf avx512vbmi avx512vl avx_ifma avx_ne_convert avx_vnni
    avx_vnni_int16 avx_vnni_int8 bmi1 bmi2 f16c fma3 fma4 gfni mmx mmxext padlock pclmul popcnt rdrand sha sse sse2
    sse3 sse4_1 sse4_2 sse4a ssse3 vaes vpclmulqdq xop`),
  CPU_FLAGS_ARM: wordsOf(`
    aes asimddp asimdfhm asimdhp bf16 crc32 edsp i8mm iwmmxt iwmmxt2 neon sha1 sha2 sm4 sve sve2 thumb thumb2 v4 v5
    v6 v7 v8 v9 vfp vfp-d32 vfpv3 vfpv4`),
  CPU_FLAGS_PPC: wordsOf('altivec vsx vsx2 vsx3 vsx4'),
};

function wordsOf(text: string): string[] {
  return text.trim().split(/\s+/);
}
