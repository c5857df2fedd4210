import { show } from './document-faults.ts';
import { suggestion } from './nearest-word.ts';

const REFERENCE = /\$(?:\{(?<braced>[^}]*)\}|(?<bare>[A-Za-z_][A-Za-z0-9_]*))/g;

/**
 * Replaces references such as `${CFLAGS}` between compiler settings by what they stand for, as make.conf does.
 * `$NAME` of no setting, such as `$ORIGIN`, is left as it is.
 */
export function resolveFlags(
  flags: Readonly<Record<string, string>>,
  file: string,
): { readonly flags: Readonly<Record<string, string>>; readonly faults: readonly string[] } {
  const faults = new Set<string>();
  const expand = (name: string, above: readonly string[]): string =>
    (flags[name] ?? '').replaceAll(REFERENCE, (text: string, braced?: string, bare?: string) => {
      const other = braced ?? bare ?? '';
      if (above.includes(other)) {
        if (other === above[0]) {
          faults.add(
            `${file}: ${keyOf(other)} = ${show(flags[other])} goes in a circle: ${[...above, other].join(' -> ')}.`,
          );
        }
        return '';
      }
      if (Object.hasOwn(flags, other)) {
        return expand(other, [...above, other]);
      }
      if (braced !== undefined) {
        faults.add(
          `${file}: ${keyOf(name)} = ${show(flags[name])}: there is no ${text}.${suggestion(other, Object.keys(flags))}`,
        );
      }
      return text;
    });
  const resolved = Object.keys(flags).map((name) => [name, expand(name, [name])] as const);
  return { flags: Object.fromEntries(resolved), faults: [...faults] };
}

function keyOf(variable: string): string {
  return variable.toLowerCase();
}
