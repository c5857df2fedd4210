import { ARCHES } from './arches.ts';
import { CPU_FLAG_WORDS } from './cpu-flags.ts';
import { show } from './document-faults.ts';
import { faultsInMakeOptions } from './make-options.ts';
import { suggestion } from './nearest-word.ts';
import { CPU_FLAGS_VARIABLES, type ProfileDocument } from './profile-document.ts';

/** Words of one profile.toml that Gentoo or make do not know. `arch` is the effective one, which may be inherited. */
export function faultsInWords(
  document: ProfileDocument,
  { file, arch }: { readonly file: string; readonly arch: string | undefined },
): string[] {
  const faults: string[] = [];
  if (document.arch !== undefined && !ARCHES.includes(document.arch)) {
    faults.push(
      `${file}: arch = ${show(document.arch)}: Gentoo has no such arch.${suggestion(document.arch, ARCHES)}`,
    );
  }
  for (const fault of faultsInMakeOptions(document.makeopts ?? '')) {
    faults.push(`${file}: makeopts = ${show(document.makeopts)}: ${fault}`);
  }
  const variable = CPU_FLAGS_VARIABLES.get(arch ?? '') ?? '';
  const known = CPU_FLAG_WORDS[variable];
  for (const [index, word] of (document['cpu-flags'] ?? []).entries()) {
    const plain = word.replace(/^-/, '');
    if (known !== undefined && plain !== '*' && !known.includes(plain)) {
      faults.push(
        `${file}: cpu-flags[${index}] = ${show(word)}: ${variable} has no such word.${suggestion(plain, known)}`,
      );
    }
  }
  return faults;
}
