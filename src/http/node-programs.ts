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
    partsOf('program-parts', ['index-file', 'fetch']) +
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
    partsOf('program-parts', ['read-settings', 'libraries', 'fastcgi']) +
    partsOf('php-program', [...work, 'status', 'main'])
  );
}

/**
 * `rookery-step`: runs the steps of rollouts, each at most once and apart from whoever asked for it. It needs sh, awk, find,
 * coreutils and util-linux (flock, setsid), and for each step what that step works with.
 * Formats: docs/decisions/0035; `portage/binrepo/config.py` (binrepos.conf) and `portage/dbapi/bintree.py:_populate_remote_repo`
 * (the place of a cached index) for merges.
 */
export function stepProgram(): string {
  const deeds = ['web', 'publication', 'php', 'release', 'snapshot', 'look', 'check', 'commands'];
  return (
    partsOf('step-program', ['head', 'settings', 'record', 'words', 'start']) +
    partsOf('program-parts', ['read-settings', 'libraries', 'fastcgi', 'index-file', 'fetch']) +
    partsOf('node-program', ['check']) +
    partsOf('step-program', [...deeds, 'main'])
  );
}

function partsOf(folder: string, names: readonly string[]): string {
  return names
    .map((name) => readFileSync(join(import.meta.dirname, folder, `${name}.sh`), 'utf8'))
    .join('');
}
