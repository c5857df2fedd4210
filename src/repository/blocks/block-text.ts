import { blockName } from '../../binpkg/pkgdir/packed-blocks.ts';
import { formatIndexEntries, formatIndexStanza } from '../../gentoo/packages-index.ts';
import { checkEntries, checkHeader } from '../index-check.ts';
import type { IndexedPackage } from '../package-store.ts';

/** A piece of the text of an index, checked, and its name among packed blocks: its SHA-256. */
export interface BlockBytes {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The entries of a block as they stand below a header. Throws `index-invalid`, `invalid-index-value`. */
export function composeBlock(
  packages: readonly IndexedPackage[],
  header: Readonly<Record<string, string>>,
): BlockBytes {
  const text = formatIndexEntries(
    header,
    packages.map(({ stanza }) => stanza),
  );
  checkEntries(text, packages);
  const bytes = Buffer.from(text);
  return { name: blockName(bytes), bytes };
}

/** Throws `index-invalid`, `invalid-index-value`. */
export function composeHeader(
  header: Readonly<Record<string, string>>,
  about: { readonly timestampSeconds: number; readonly packageCount: number },
): BlockBytes {
  const values = {
    ...header,
    TIMESTAMP: String(about.timestampSeconds),
    PACKAGES: String(about.packageCount),
  };
  const text = `${formatIndexStanza(values, 'header')}\n`;
  checkHeader(text, about);
  const bytes = Buffer.from(text);
  return { name: blockName(bytes), bytes };
}
