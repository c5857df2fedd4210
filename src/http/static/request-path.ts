/** What a request target asks for. */
export type RequestPath =
  | { readonly kind: 'valid'; readonly segments: readonly string[]; readonly isFolder: boolean }
  | { readonly kind: 'invalid'; readonly fault: string };

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Splits the target of an HTTP request into names, each percent-decoded exactly once. A `+` stays a `+`; empty
 * names (`//`) fall away, as they do in nginx. Refused is what could mean another place than it says: `.` and `..`,
 * slashes and backslashes within a name, control characters, and bytes that are not UTF-8.
 */
export function parseRequestPath(target: string): RequestPath {
  const path = pathOf(target);
  if (path === undefined) {
    return { kind: 'invalid', fault: 'The request target is not a path.' };
  }
  const segments: string[] = [];
  for (const raw of path.split('/').filter((part) => part !== '')) {
    const name = decoded(raw);
    const fault = name === undefined ? 'is not percent-encoded UTF-8' : faultOf(name);
    if (name === undefined || fault !== undefined) {
      return { kind: 'invalid', fault: `The name ${JSON.stringify(raw.slice(0, 200))} ${fault}.` };
    }
    segments.push(name);
  }
  return { kind: 'valid', segments, isFolder: path.endsWith('/') };
}

/** The first name of a target, decoded where that is possible: what decides who answers. */
export function firstSegment(target: string): string {
  const raw = (pathOf(target) ?? '').split('/').find((part) => part !== '') ?? '';
  return decoded(raw) ?? raw;
}

function pathOf(target: string): string | undefined {
  const relative = target.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '');
  if (relative === '' && relative !== target) {
    return '/';
  }
  return relative.startsWith('/') ? relative : undefined;
}

function decoded(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

function faultOf(name: string): string | undefined {
  if (name === '.' || name === '..') {
    return 'leads to another folder';
  }
  if (name.includes('/') || name.includes('\\')) {
    return 'has a slash in it';
  }
  return CONTROL.test(name) ? 'has a control character in it' : undefined;
}
