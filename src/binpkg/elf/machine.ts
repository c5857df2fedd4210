import type { ElfFile } from './elf-file.ts';

/** Names of the machines after `EM_` that scanelf knows (`paxelf.c:elf_emtypes`), from a number on. */
const NAME_RUNS: readonly (readonly [first: number, names: string])[] = [
  [0, 'NONE M32 SPARC 386 68K 88K'],
  [7, '860 MIPS S370 MIPS_RS3_LE'],
  [15, 'PARISC'],
  [17, 'VPP500 SPARC32PLUS 960 PPC PPC64 S390'],
  [
    36,
    'V800 FR20 RH32 RCE ARM FAKE_ALPHA SH SPARCV9 TRICORE ARC H8_300 H8_300H H8S H8_500 IA_64 MIPS_X COLDFIRE 68HC12 MMA PCP NCPU NDR1 STARCORE ME16 ST100 TINYJ X86_64 PDSP',
  ],
  [
    66,
    'FX66 ST9PLUS ST7 68HC16 68HC11 68HC08 68HC05 SVX ST19 VAX CRIS JAVELIN FIREPATH ZSP MMIX HUANY PRISM AVR FR30 D10V D30V V850 M32R MN10300 MN10200 PJ OPENRISC ARC_A5 XTENSA VIDEOCORE TMM_GPP NS32K TPC SNP1K ST200 IP2K MAX CR F2MC16 MSP430 BLACKFIN SE_C33 SEP ARCA UNICORE',
  ],
  [113, 'ALTERA_NIOS2'],
  [183, 'AARCH64'],
  [188, 'TILEPRO MICROBLAZE'],
  [191, 'TILEGX'],
  [243, 'RISCV'],
  [258, 'LOONGARCH'],
  [0x9026, 'ALPHA'],
];
const NAMES: ReadonlyMap<number, string> = new Map(
  NAME_RUNS.flatMap(([first, names]) =>
    names.split(' ').map((name, index) => [first + index, name] as const),
  ),
);
/** Number of a machine to the family of its multilib category (`multilib_category.py:_machine_prefix_map`). */
const FAMILIES: ReadonlyMap<number, string> = new Map([
  [2, 'sparc'],
  [3, 'x86'],
  [4, 'm68k'],
  [8, 'mips'],
  [15, 'hppa'],
  [18, 'sparc'],
  [20, 'ppc'],
  [21, 'ppc'],
  [22, 's390'],
  [40, 'arm'],
  [42, 'sh'],
  [43, 'sparc'],
  [45, 'arc'],
  [50, 'ia64'],
  [62, 'x86'],
  [93, 'arc'],
  [113, 'nios2'],
  [175, 'e2k'],
  [183, 'arm'],
  [195, 'arc'],
  [224, 'amdgpu'],
  [243, 'riscv'],
  [247, 'bpf'],
  [253, 'arc'],
  [255, 'arc'],
  [258, 'loong'],
  [0x9026, 'alpha'],
]);
const X86_64 = 62;
const LOONG_ABI: ReadonlyMap<number, string> = new Map([
  [1, 'lp64s'],
  [2, 'lp64f'],
  [3, 'lp64d'],
  [5, 'ilp32s'],
  [6, 'ilp32f'],
  [7, 'ilp32d'],
]);
const MIPS_ABI: ReadonlyMap<number, string> = new Map([
  [0x1000, 'o32'],
  [0x2000, 'o64'],
  [0x3000, 'eabi32'],
  [0x4000, 'eabi64'],
]);
const MIPS_ABI_MASK = 0xf000;
const MIPS_ABI2 = 0x20;
const RISCV_COMPRESSED = 1;
const RISCV_COMPRESSED_DOUBLE = 5;

type Machine = Pick<ElfFile, 'machine' | 'is64' | 'flags'>;

/** `X86_64` and the like, the first field of NEEDED.ELF.2. */
export function machineName({ machine }: Pick<ElfFile, 'machine'>): string {
  return NAMES.get(machine) ?? 'UNKNOWN_TYPE';
}

/**
 * `x86_64`, `arm_64`, `riscv_lp64d` and the like, the key in REQUIRES and PROVIDES
 * (`portage/dep/soname/multilib_category.py:compute_multilib_category`). Undefined for what Portage does not know.
 */
export function multilibCategory(elf: Machine): string | undefined {
  const family = FAMILIES.get(elf.machine);
  const suffix = family === undefined ? undefined : abi(family, elf);
  return suffix === undefined ? undefined : `${family}_${suffix}`;
}

function abi(family: string, elf: Machine): string | undefined {
  switch (family) {
    case 'loong':
      return LOONG_ABI.get(elf.flags & 7);
    case 'mips':
      return mipsAbi(elf);
    case 'riscv':
      return riscvAbi(elf);
    default:
      return elf.is64 ? '64' : narrowAbi(elf);
  }
}

function narrowAbi({ machine }: Machine): string {
  return machine === X86_64 ? 'x32' : '32';
}

function mipsAbi({ flags, is64 }: Machine): string | undefined {
  const named = flags & MIPS_ABI_MASK;
  if (named !== 0) {
    return MIPS_ABI.get(named);
  }
  if ((flags & MIPS_ABI2) !== 0) {
    return 'n32';
  }
  return is64 ? 'n64' : undefined;
}

function riscvAbi({ flags, is64 }: Machine): string | undefined {
  const width = is64 ? 'lp64' : 'ilp32';
  if (flags === RISCV_COMPRESSED) {
    return width;
  }
  return flags === RISCV_COMPRESSED_DOUBLE ? `${width}d` : undefined;
}
