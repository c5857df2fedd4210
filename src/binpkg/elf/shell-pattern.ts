/**
 * A shell pattern as Python's fnmatch has it: `*` and `?` take slashes too, `[a-c]` and `[!a-c]`, a `[` that nothing
 * closes is itself.
 */
export function shellPattern(pattern: string): RegExp {
  const source = pattern.replaceAll(
    /\[(?<class>!?\]?[^\]]*)\]|[\s\S]/gu,
    (token, inside?: string) => {
      if (inside !== undefined) {
        return characterClass(inside);
      }
      return token === '*' ? '.*' : token === '?' ? '.' : escaped(token);
    },
  );
  return new RegExp(`^${source}$`, 'su');
}

/** A range that runs backwards has no members. */
function characterClass(inside: string): string {
  const isNegated = inside.startsWith('!');
  const characters = [...(isNegated ? inside.slice(1) : inside)];
  let members = '';
  while (characters.length > 0) {
    const [first = '', dash, last] = characters;
    const isRange = dash === '-' && last !== undefined;
    characters.splice(0, isRange ? 3 : 1);
    if (!isRange) {
      members += escaped(first);
    } else if (first <= last) {
      members += `${escaped(first)}-${escaped(last)}`;
    }
  }
  return `[${isNegated ? '^' : ''}${members}]`;
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
