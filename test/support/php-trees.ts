import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withPackedPhp } from '../../src/cli/php/import-php.ts';
import type { Database } from '../../src/database/database.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { PhpTrees } from '../../src/php/php-trees.ts';
import type { PackPhpOptions } from '../../src/phptree/pack-php.ts';
import { PHP_INI } from '../../src/phptree/tree-templates.ts';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import { systemClock } from '../../src/support/clock.ts';
import { exists } from '../../src/support/files.ts';
import { recordedOutput } from '../cli/recorded-output.ts';
import { openTestKeyring, openTestKeys } from '../keys/open-test-keys.ts';
import { openTestPhp } from '../php/open-test-php.ts';
import { openTestDatabase } from './test-database.ts';

/** The PHP of Debian's packages php8.2-cli and php8.2-fpm, on this machine. */
export const DEBIAN_VERSION = '8.2';
export const DEBIAN_PHP = '/usr/bin/php8.2';

/** Below a folder: `mirror-root` with the public keys and what is published, as a server leaves it. */
export interface PublishedTrees {
  readonly profile: string;
  readonly mirrorRoot: string;
  /** `mirror-root/php`, which the rsync module `php` serves. */
  readonly phpRoot: string;
  /** Armored public keys of the farm. */
  readonly publicKeys: string;
  /** Two trees of the same programs; the second has another `memory_limit` and nothing else. */
  readonly first: string;
  readonly second: string;
  readonly php: PhpTrees;
  readonly keyring: Keyring;
  /** Imports the PHP of Debian with these changes; gives the id of the tree. */
  readonly add: (options?: Partial<PackPhpOptions>, channel?: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

/**
 * Two real trees of Debian's PHP, made with the same code as `rookery php import`: `testing` shows the second, `stable`
 * the first. Throws when php8.2-cli and php8.2-fpm are not installed. Takes about a second.
 */
export async function publishTrees(folder: string, profile = 'web'): Promise<PublishedTrees> {
  if (!(await exists(DEBIAN_PHP))) {
    throw new Error(`${DEBIAN_PHP} is not there: install php8.2-cli and php8.2-fpm`);
  }
  const mirrorRoot = join(folder, 'mirror-root');
  await mkdir(mirrorRoot, { recursive: true });
  const place = join(folder, 'state', 'php-trees.sqlite');
  await mkdir(join(folder, 'state'), { recursive: true });
  const database: Database = await openTestDatabase(place, systemClock);
  const journal = new Journal(database, systemClock);
  const keyring = await openTestKeyring(folder, systemClock);
  const keys = await openTestKeys(folder, { clock: systemClock, journal, keyring });
  const php = openTestPhp({ folder, clock: systemClock, journal, keyring });
  const add: PublishedTrees['add'] = async (options = {}, channel) =>
    await withPackedPhp(testContext(folder), '/', { ...PLAIN, ...options }, async ({ file }) => {
      const request = { profile, file, channel: channel ?? null, actor: 'test' };
      return (await php.importTree(request)).tree.id;
    });
  const first = await add({}, 'stable');
  const ini = join(folder, 'second.ini');
  await writeFile(ini, PHP_INI.replace('memory_limit = 128M', 'memory_limit = 512M'));
  const second = await add({ phpIni: ini }, 'testing');
  return {
    profile,
    mirrorRoot,
    phpRoot: join(mirrorRoot, 'php'),
    publicKeys: keys.publicKeys(),
    first,
    second,
    php,
    keyring,
    add,
    close: async () => {
      await database.destroy();
    },
  };
}

const PLAIN: PackPhpOptions = {
  version: DEBIAN_VERSION,
  without: [],
  phpIni: undefined,
  fpmConf: undefined,
  extensions: undefined,
};

function testContext(folder: string) {
  const { output } = recordedOutput();
  return { output, env: { TMPDIR: folder }, cwd: folder, clock: systemClock };
}
