/** Values of ARCH in Gentoo (`profiles/arch.list`), those of prefixes on other systems at the end. */
export const ARCHES: readonly string[] =
  'alpha amd64 arm arm64 hppa ia64 loong m68k mips ppc ppc64 riscv s390 sparc x86 amd64-linux arm-linux arm64-linux ppc64-linux riscv-linux x86-linux arm64-macos ppc-macos x64-macos x86-macos x64-solaris x86-solaris x64-cygwin x64-winnt x86-winnt'.split(
    ' ',
  );
