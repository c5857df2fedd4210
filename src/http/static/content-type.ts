import { lookup } from 'mime-types';

const BY_NAME: Readonly<Record<string, string>> = {
  Packages: 'text/plain; charset=utf-8',
  Manifest: 'text/plain; charset=utf-8',
  'Packages.gz': 'application/gzip',
};
const BY_ENDING: readonly (readonly [string, string])[] = [
  ['.gpkg.tar', 'application/vnd.gentoo.gpkg'],
  ['.xpak', 'application/vnd.gentoo.xpak'],
  ['.tbz2', 'application/vnd.gentoo.xpak'],
  ['.asc', 'application/pgp-keys'],
  ['.sig', 'application/pgp-signature'],
  ['.ebuild', 'text/plain; charset=utf-8'],
  ['.eclass', 'text/plain; charset=utf-8'],
  ['.conf', 'text/plain; charset=utf-8'],
  ['.xml', 'text/xml; charset=utf-8'],
];
const UNKNOWN = 'application/octet-stream';

/** The media type of a served file, by its name. What a file is compressed with is part of its type, never of its encoding. */
export function contentTypeOf(name: string): string {
  const known = BY_NAME[name] ?? BY_ENDING.find(([ending]) => name.endsWith(ending))?.[1];
  if (known !== undefined) {
    return known;
  }
  const type = lookup(name);
  if (type === false) {
    return UNKNOWN;
  }
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
}
