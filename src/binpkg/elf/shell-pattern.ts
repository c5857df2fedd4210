/** A class takes its first `]` as a member. */
const TOKEN = /\[(?=(?<head>!?\]?))\k<head>(?<rest>[^\]]*)\]|[\s\S]/gu;

/**
 * A shell pattern as Python's fnmatch has it: `*` and `?` take slashes too, `[a-c]` and `[!a-c]`, a `[` that nothing
 * closes is itself.
 */
export function shellPattern(pattern: string): RegExp {
  const source = pattern.replaceAll(TOKEN, (token, head?: string, rest?: string) => {
    if (head !== undefined && rest !== undefined) {
      return characterClass(head + rest);
    }
    return token === '*' ? '.*' : token === '?' ? '.' : escaped(token);
  });
  return new RegExp(`^${source}$`, 'su');
}

/** A character, or a range. */
type Member = readonly [first: string, last?: string];

/** A range that runs backwards has no members. When a `!` comes first after it, Python negates the class too. */
function characterClass(inside: string): string {
  const members = membersOf(inside.startsWith('!') ? inside.slice(1) : inside);
  let isNegated = inside.startsWith('!');
  const [first, last] = members[0] ?? [];
  if (!isNegated && first === '!') {
    isNegated = true;
    members.splice(0, 1, ...(last === undefined ? [] : ([['-'], [last]] as const)));
  }
  const source = members
    .map((member) => member.map((one) => escaped(one ?? '')).join('-'))
    .join('');
  return `[${isNegated ? '^' : ''}${source}]`;
}

function membersOf(inside: string): Member[] {
  const characters = Array.from(inside);
  const members: Member[] = [];
  for (let at = 0; at < characters.length; ) {
    const [first = '', dash, last] = characters.slice(at, at + 3);
    const isRange = dash === '-' && last !== undefined;
    at += isRange ? 3 : 1;
    if (!isRange) {
      members.push([first]);
    } else if (codeOf(first) <= codeOf(last)) {
      members.push([first, last]);
    }
  }
  return members;
}

function escaped(character: string): string {
  return `\\u{${codeOf(character).toString(16)}}`;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
