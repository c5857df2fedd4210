/** Names that may not be saved: bash itself, or Portage at installation, sets them (`bin/save-ebuild-env.sh`). */
export interface SavedVariables {
  readonly exported: Readonly<Record<string, string>>;
  readonly plain: Readonly<Record<string, string>>;
}

/**
 * The bash environment of a package without phases, as it would be left by an ebuild that defines none
 * (`bin/save-ebuild-env.sh:__save_ebuild_env`): Portage sources it before pkg_setup, pkg_preinst, pkg_prerm ... and
 * takes phase functions that are not in it from its own defaults.
 */
export function savedEnvironment(variables: SavedVariables): string {
  const lines = [
    ...Object.entries(variables.exported).map(
      ([name, value]) => `declare -x ${name}=${quote(value)}`,
    ),
    ...Object.entries(variables.plain).map(([name, value]) => `declare -- ${name}=${quote(value)}`),
  ];
  return `${lines.toSorted().join('\n')}\n`;
}

/** A bash word in double quotes; with control characters `$'...'`, as `declare -p` writes it. */
function quote(value: string): string {
  if (!/\p{Cc}/u.test(value)) {
    return `"${value.replaceAll(/["\\$`]/g, '\\$&')}"`;
  }
  const escaped = value.replaceAll(/[\\']/g, '\\$&').replaceAll(/\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${code}`;
  });
  return `$'${escaped}'`;
}
