import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GNUPG_PART } from './gnupg-part.ts';

/*
 * The POSIX shell programs that the setup script leaves on a node. Their parts are files, so that they can be read, and
 * checked by a shell, as what they are. `@PREFIX@` in them is replaced by the EPREFIX of the node.
 */

/**
 * `rookery-node`: tells the farm what is installed and how the node's checks went, and takes over new keys. It needs
 * what a Gentoo system has: sh, awk, sed, find, timeout, wget (or curl).
 *
 * Formats: `portage/dbapi/vartree.py` (/var/db/pkg), `portage/dbapi/bintree.py:_populate_remote_repo` (the place of the
 * cached index), `src/protocol/nodes.ts`.
 */
export function nodeProgram(): string {
  return (
    partsOf('node-program', ['head', 'read', 'system', 'check', 'send']) +
    GNUPG_PART +
    partsOf('node-program', ['keys', 'main'])
  );
}

/**
 * `rookery-php`, on nodes of a farm that serves PHP trees. It needs sh, awk, find, sha256sum, gpg, rsync and util-linux.
 * Formats: docs/decisions/0025.
 */
export function phpProgram(): string {
  const work = ['settings', 'state', 'index', 'manifest', 'pull', 'guards', 'master', 'switch'];
  return (
    partsOf('php-program', ['head']) +
    GNUPG_PART +
    partsOf('php-program', [...work, 'status', 'main'])
  );
}

function partsOf(folder: string, names: readonly string[]): string {
  return names
    .map((name) => readFileSync(join(import.meta.dirname, folder, `${name}.sh`), 'utf8'))
    .join('');
}
