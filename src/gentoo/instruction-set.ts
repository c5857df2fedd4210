/** Levels of the x86-64 psABI ("x86-64-v2" ...). */
export type X86Level = 1 | 2 | 3 | 4;

/** What compiler settings ask of a processor. */
export interface InstructionSet {
  /** The value of the last `-march=`. */
  readonly march: string;
  /** The highest level that it includes; null for a name that the table does not have, `native` among them. */
  readonly level: X86Level | null;
  /** What it includes, in the words of CPU_FLAGS_X86, sorted; none when the name is not known. */
  readonly cpuFlags: readonly string[];
}

const NEW_IN_LEVEL: readonly string[] = [
  'mmx mmxext sse sse2',
  'popcnt sse3 sse4_1 sse4_2 ssse3',
  'avx avx2 bmi1 bmi2 f16c fma3',
  'avx512bw avx512cd avx512dq avx512f avx512vl',
];
const LEVELS = [1, 2, 3, 4] as const;

/**
 * Names of GCC (manual, "x86 Options", `-march`): the name whose instructions it has too, and what it adds.
 * Instructions for which CPU_FLAGS_X86 has no word are left out.
 */
const PROCESSORS: Readonly<Record<string, readonly [base: string, added: string]>> = {
  'x86-64': ['', NEW_IN_LEVEL[0] ?? ''],
  'x86-64-v2': ['x86-64', NEW_IN_LEVEL[1] ?? ''],
  'x86-64-v3': ['x86-64-v2', NEW_IN_LEVEL[2] ?? ''],
  'x86-64-v4': ['x86-64-v3', NEW_IN_LEVEL[3] ?? ''],
  nocona: ['x86-64', 'sse3'],
  core2: ['nocona', 'ssse3'],
  bonnell: ['core2', ''],
  nehalem: ['x86-64-v2', ''],
  westmere: ['nehalem', 'pclmul'],
  sandybridge: ['westmere', 'avx'],
  ivybridge: ['sandybridge', 'f16c rdrand'],
  haswell: ['ivybridge', 'avx2 bmi1 bmi2 fma3'],
  broadwell: ['haswell', ''],
  skylake: ['broadwell', 'aes'],
  'skylake-avx512': ['skylake', NEW_IN_LEVEL[3] ?? ''],
  cascadelake: ['skylake-avx512', 'avx512_vnni'],
  cooperlake: ['cascadelake', 'avx512_bf16'],
  cannonlake: ['skylake-avx512', 'avx512ifma avx512vbmi sha'],
  'icelake-client': [
    'cannonlake',
    'avx512_bitalg avx512_vbmi2 avx512_vnni avx512_vpopcntdq vpclmulqdq',
  ],
  'icelake-server': ['icelake-client', ''],
  tigerlake: ['icelake-client', 'avx512_vp2intersect'],
  rocketlake: ['icelake-client', ''],
  alderlake: ['skylake', 'avx_vnni sha vpclmulqdq'],
  raptorlake: ['alderlake', ''],
  sierraforest: ['alderlake', ''],
  sapphirerapids: ['icelake-server', 'avx_vnni avx512_bf16 avx512_fp16'],
  emeraldrapids: ['sapphirerapids', ''],
  graniterapids: ['sapphirerapids', ''],
  silvermont: ['westmere', 'rdrand'],
  goldmont: ['silvermont', 'aes sha'],
  tremont: ['goldmont', ''],
  k8: ['x86-64', '3dnow 3dnowext'],
  'k8-sse3': ['k8', 'sse3'],
  amdfam10: ['k8-sse3', 'popcnt sse4a'],
  btver1: ['core2', 'popcnt sse4a'],
  btver2: ['btver1', 'aes avx bmi1 f16c pclmul sse4_1 sse4_2'],
  bdver1: ['x86-64-v2', 'aes avx fma4 pclmul sse4a xop'],
  bdver2: ['bdver1', 'bmi1 f16c fma3'],
  bdver3: ['bdver2', ''],
  bdver4: ['bdver3', 'avx2 bmi2 rdrand'],
  znver1: ['x86-64-v3', 'aes pclmul rdrand sha sse4a'],
  znver2: ['znver1', ''],
  znver3: ['znver2', 'vpclmulqdq'],
  znver4: [
    'znver3',
    'avx512_bf16 avx512_bitalg avx512_vbmi2 avx512_vnni avx512_vpopcntdq avx512bw avx512cd avx512dq avx512f avx512ifma avx512vbmi avx512vl',
  ],
  znver5: ['znver4', 'avx_vnni avx512_vp2intersect'],
};
/** Other names of the same processors. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['atom', 'bonnell'],
  ['corei7', 'nehalem'],
  ['corei7-avx', 'sandybridge'],
  ['core-avx-i', 'ivybridge'],
  ['core-avx2', 'haswell'],
  ['opteron', 'k8'],
  ['athlon64', 'k8'],
  ['opteron-sse3', 'k8-sse3'],
  ['barcelona', 'amdfam10'],
  ['slm', 'silvermont'],
]);

/** Every value of `-march=` that is known here. */
export const KNOWN_MARCHES: readonly string[] = [...Object.keys(PROCESSORS), ...ALIASES.keys()];

/** What the last `-march=` of compiler settings asks for; null when there is none. */
export function instructionSetOf(flags: string): InstructionSet | null {
  const march = [...flags.matchAll(/(?:^|\s)-march=(\S+)/g)].at(-1)?.[1];
  if (march === undefined) {
    return null;
  }
  const cpuFlags = cpuFlagsOfMarch(march);
  return { march, level: levelOfCpuFlags(cpuFlags), cpuFlags };
}

/** The highest level of which every word of CPU_FLAGS_X86 is there; null when even the first is not complete. */
export function levelOfCpuFlags(cpuFlags: readonly string[]): X86Level | null {
  const present = new Set(cpuFlags);
  let reached: X86Level | null = null;
  for (const level of LEVELS) {
    if (!wordsOf(NEW_IN_LEVEL[level - 1] ?? '').every((flag) => present.has(flag))) {
      return reached;
    }
    reached = level;
  }
  return reached;
}

function cpuFlagsOfMarch(march: string): string[] {
  const flags = new Set<string>();
  let name = ALIASES.get(march) ?? march;
  while (name !== '' && Object.hasOwn(PROCESSORS, name)) {
    const [base, added] = PROCESSORS[name] ?? ['', ''];
    wordsOf(added).forEach((flag) => flags.add(flag));
    name = base;
  }
  return [...flags].toSorted();
}

function wordsOf(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}
