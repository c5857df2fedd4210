import type { ElfFile } from './elf-file.ts';

/** Number of a machine to its name after `EM_`, as scanelf prints it, and to the family of its multilib category. */
const MACHINES: ReadonlyMap<number, readonly [name: string, family: string | undefined]> = new Map([
  [2, ['SPARC', 'sparc']],
  [3, ['386', 'x86']],
  [4, ['68K', 'm68k']],
  [8, ['MIPS', 'mips']],
  [15, ['PARISC', 'hppa']],
  [18, ['SPARC32PLUS', 'sparc']],
  [20, ['PPC', 'ppc']],
  [21, ['PPC64', 'ppc']],
  [22, ['S390', 's390']],
  [40, ['ARM', 'arm']],
  [42, ['SH', 'sh']],
  [43, ['SPARCV9', 'sparc']],
  [45, ['ARC', 'arc']],
  [50, ['IA_64', 'ia64']],
  [62, ['X86_64', 'x86']],
  [93, ['ARC_COMPACT', 'arc']],
  [113, ['ALTERA_NIOS2', 'nios2']],
  [175, ['MCST_ELBRUS', 'e2k']],
  [183, ['AARCH64', 'arm']],
  [189, ['MICROBLAZE', undefined]],
  [195, ['ARC_COMPACT2', 'arc']],
  [224, ['AMDGPU', 'amdgpu']],
  [243, ['RISCV', 'riscv']],
  [247, ['BPF', 'bpf']],
  [253, ['ARC_COMPACT3_64', 'arc']],
  [255, ['ARC_COMPACT3', 'arc']],
  [258, ['LOONGARCH', 'loong']],
  [0x9026, ['ALPHA', 'alpha']],
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
  return MACHINES.get(machine)?.[0] ?? 'UNKNOWN TYPE';
}

/**
 * `x86_64`, `arm_64`, `riscv_lp64d` and the like, the key in REQUIRES and PROVIDES
 * (`portage/dep/soname/multilib_category.py:compute_multilib_category`). Undefined for what Portage does not know.
 */
export function multilibCategory(elf: Machine): string | undefined {
  const family = MACHINES.get(elf.machine)?.[1];
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
