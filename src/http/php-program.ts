import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GNUPG_PART } from './gnupg-part.ts';

/** In this order; between the first two come the functions for homes of gpg. */
const PARTS = [
  'settings',
  'state',
  'index',
  'manifest',
  'pull',
  'guards',
  'master',
  'switch',
  'status',
  'main',
] as const;

/**
 * `rookery-php`, the POSIX shell program that the setup script leaves on a node of a farm that serves PHP trees. It
 * needs what a Gentoo system has: sh, awk, find, sha256sum, gpg, rsync and util-linux. Its parts are files, so that they
 * can be read, and checked by a shell, as what they are.
 *
 * `@PREFIX@` is replaced by the EPREFIX of the node. Formats: docs/decisions/0025.
 */
export function phpProgram(): string {
  return readPart('head') + GNUPG_PART + PARTS.map(readPart).join('');
}

function readPart(name: string): string {
  return readFileSync(join(import.meta.dirname, 'php-program', `${name}.sh`), 'utf8');
}
