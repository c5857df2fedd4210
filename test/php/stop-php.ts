/**
 * A program, started by killed-php.test.ts: stops an import, one of a build, a promotion and a removal before its first change on disk,
 * then before its second, and so on, as `kill -9` would. After every stop the room is opened anew and recovers, and what
 * is served is looked at. Prints `{ stops, faults }` as JSON.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv } from 'node:process';
import type { PhpTrees } from '../../src/php/php-trees.ts';
import { runStopped } from '../support/stoppable-files.ts';

const { openDatabase } = await import('../../src/database/database.ts');
const { Journal } = await import('../../src/journal/journal.ts');
const { newId } = await import('../../src/support/ids.ts');
const { ManualClock } = await import('../support/manual-clock.ts');
const { openTestKeyring } = await import('../keys/open-test-keys.ts');
const { inspectPhp } = await import('./inspect-php.ts');
const { packSmallTree, SMALL_TREE } = await import('./made-tree.ts');
const { openTestPhp } = await import('./open-test-php.ts');

const MAX_CALLS = 200;
const DEED = { profile: 'web', reason: 'because', actor: 'test' };
const folder = argv[2] ?? '';
/** It is stopped before each so manieth step. */
const EVERY = Number(argv[3] ?? 1);
const clock = new ManualClock();
const keyring = await openTestKeyring(folder, clock);
const faults: string[] = [];
const stops: Record<string, number> = {};

interface Deed {
  readonly run: (php: PhpTrees, upload: string) => Promise<unknown>;
  /** Whether it is done, once it came to its end. */
  readonly isDone: (after: Awaited<ReturnType<PhpTrees['overview']>>) => boolean;
}

const DEEDS: Readonly<Record<string, Deed>> = {
  import: {
    run: async (php, file) =>
      await php.importTree({ profile: 'web', file, channel: 'testing', actor: 'test' }),
    isDone: ({ trees, channels }) => trees.length === 3 && channels['testing'] === '8.2.30-web-r3',
  },
  build: {
    run: async (php, file) =>
      await php.importTree({
        profile: 'web',
        file,
        channel: 'testing',
        actor: 'test',
        built: { id: '8.2.30-web-r7', build: { kind: 'build', sources: [], agent: 'b1' } },
      }),
    isDone: ({ trees, channels }) => trees.length === 3 && channels['testing'] === '8.2.30-web-r7',
  },
  rollback: {
    run: async (php) => {
      await php.rollback({ ...DEED, channel: 'testing', tree: undefined });
    },
    isDone: ({ channels }) => channels['testing'] === '8.2.30-web-r1',
  },
  remove: {
    run: async (php) => {
      await php.remove({ ...DEED, tree: '8.2.30-web-r1', force: true });
    },
    isDone: ({ trees }) => trees.length === 1,
  },
};

async function stopOnce(name: string, deed: Deed, calls: number): Promise<boolean> {
  const place = join(folder, newId('stop'));
  await mkdir(join(place, 'state'), { recursive: true });
  const database = await openDatabase(join(place, 'state/rookery.sqlite'), clock);
  try {
    const journal = new Journal(database, clock);
    const open = (): PhpTrees => openTestPhp({ folder: place, clock, journal, keyring });
    const upload = join(place, 'upload');
    const php = open();
    for (const text of ['a', 'b', 'c']) {
      const files = { ...SMALL_TREE, 'etc/php.ini': { content: `;${text}\n` } };
      await writeFile(upload, packSmallTree(files));
      if (text !== 'c') {
        await php.importTree({ profile: 'web', file: upload, channel: 'testing', actor: 'test' });
      }
    }
    const before = await php.overview('web');
    const finished = await runStopped(async () => await deed.run(php, upload), calls);
    const second = open();
    await second.recover({ othersRun: false });
    const served = join(place, 'mirror-root/php/web');
    const found = await inspectPhp(served, { publicKeys: keyring.publicKeys(), clock });
    const after = await second.overview('web');
    if (after.serial < before.serial) {
      found.push('the serial went back');
    }
    if (finished !== undefined && !deed.isDone(after)) {
      found.push('what came to its end is not so');
    }
    const notes = (await readdir(join(place, 'state/php'))).filter((one) => one !== 'web.json');
    found.push(...notes.map((one) => `${one} is left over`));
    await deed.run(second, upload).catch(() => undefined);
    if (!deed.isDone(await second.overview('web'))) {
      found.push('it cannot be done again');
    }
    faults.push(...found.map((fault) => `${name} ${calls}: ${fault}`));
    return finished !== undefined;
  } finally {
    await database.destroy();
  }
}

for (const [name, deed] of Object.entries(DEEDS)) {
  let calls = 0;
  while (!(await stopOnce(name, deed, calls)) && calls < MAX_CALLS) {
    calls += EVERY;
  }
  stops[name] = calls;
}
process.stdout.write(JSON.stringify({ stops, faults }));
