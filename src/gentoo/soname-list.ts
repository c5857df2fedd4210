/**
 * The sonames in a value of REQUIRES or PROVIDES, each with its multilib category: `x86_64: liba.so.1 libb.so.2` gives
 * `x86_64: liba.so.1` and `x86_64: libb.so.2` (`portage/dep/soname/parse.py:parse_soname_deps`).
 */
export function sonamesIn(text: string | undefined): string[] {
  const sonames: string[] = [];
  let category = '';
  for (const word of (text ?? '').split(/\s+/).filter((one) => one !== '')) {
    if (word.endsWith(':')) {
      category = word;
    } else {
      sonames.push(`${category} ${word}`);
    }
  }
  return sonames;
}
