const MAX_HOSTS = 10_000;
const RANGE = /\[(?<first>[0-9]+|[A-Za-z]):(?<last>[0-9]+|[A-Za-z])(?::(?<step>[0-9]+))?\]/;

/**
 * The hosts of a pattern such as `web[01:16]`, `db-[a:f]` or `www[01:50:2].example`; several ranges give every combination.
 * Source: Ansible's documentation, "How to build your inventory". Undefined for a range that is none.
 */
export function expandHosts(pattern: string): string[] | undefined {
  const match = RANGE.exec(pattern);
  if (match === null) {
    return /\[[^\]]*\]?$/.test(pattern.replace(/^\[[0-9a-fA-F:]+\]$/, '')) ? undefined : [pattern];
  }
  const { first = '', last = '', step = '1' } = match.groups ?? {};
  const words = wordsBetween(first, last, Number(step));
  if (words === undefined) {
    return undefined;
  }
  const [before, after] = [
    pattern.slice(0, match.index),
    pattern.slice(match.index + match[0].length),
  ];
  const rest = expandHosts(after === '' ? '' : after);
  if (rest === undefined || words.length * rest.length > MAX_HOSTS) {
    return undefined;
  }
  return words.flatMap((word) => rest.map((end) => before + word + end));
}

/** Numbers are as wide as the first is written. */
function wordsBetween(first: string, last: string, step: number): string[] | undefined {
  const areNumbers = /^[0-9]+$/.test(first) && /^[0-9]+$/.test(last);
  const [from, to] = areNumbers
    ? [Number(first), Number(last)]
    : [first.charCodeAt(0), last.charCodeAt(0)];
  const areAlike = areNumbers || (/^[A-Za-z]$/.test(first) && /^[A-Za-z]$/.test(last));
  if (!areAlike || step < 1 || to < from || (to - from) / step > MAX_HOSTS) {
    return undefined;
  }
  const count = Math.floor((to - from) / step) + 1;
  return Array.from({ length: count }, (_, at) => from + at * step).map((value) =>
    areNumbers ? String(value).padStart(first.length, '0') : String.fromCharCode(value),
  );
}
