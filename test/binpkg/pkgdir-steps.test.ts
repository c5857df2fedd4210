import { EventEmitter, once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { array, assert, asyncProperty, constantFrom, nat, record } from 'fast-check';
import { lockAsPortage } from '../../src/binpkg/pkgdir/portage-lock.ts';
import { PackageReader } from '../../src/binpkg/pkgdir/read-package.ts';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { isAppError } from '../../src/support/errors.ts';
import { ended, killGroup, run, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { forge } from './made-package.ts';
import { MadePkgdir, NOON, placeOf } from './made-pkgdir.ts';

const root = temporaryFolder();
let parent: string;
let pkgdir: MadePkgdir;

beforeEach(() => {
  parent = mkdtempSync(join(root, 'test-'));
  pkgdir = new MadePkgdir(parent);
});

describe('many packages', () => {
  it('are read by several threads with the same result', async () => {
    const made = await pkgdir.put('app-misc/a-1');
    for (let id = 2; id <= 210; id += 1) {
      pkgdir.place(pkgdir.file(made), `app-misc/a/a-1-${id}.gpkg.tar`, NOON + id);
    }
    writeFileSync(pkgdir.file('app-misc/a/a-1-7.gpkg.tar'), 'damaged');
    let done = 0;
    const onRead = () => (count: number) => {
      done = count;
    };
    const { refused } = await pkgdir.index({ threads: 2, onRead });
    expect(refused.map(({ path }) => path)).toEqual(['app-misc/a/a-1-7.gpkg.tar']);
    expect(done).toBe(210);
    const threaded = pkgdir.entries();
    expect(threaded.size).toBe(209);
    await pkgdir.index({ threads: 1, full: true });
    expect(pkgdir.entries()).toEqual(threaded);
  }, 60_000);
});

describe('a large package', () => {
  it('is read in pieces with the same result', async () => {
    const content = Buffer.alloc(9 * 1024 * 1024, 'content');
    const large = await forge({
      members: (usual) => [...usual, { name: 'more.tar.gz', content }],
    });
    writeFileSync(join(parent, 'large'), large);
    pkgdir.place(join(parent, 'large'), 'app-misc/hello/hello-1.0-r1-3.gpkg.tar', NOON);
    const found = await new PackageReader(pkgdir.folder).read({
      path: 'app-misc/hello/hello-1.0-r1-3.gpkg.tar',
    });
    const sums = await run(['sha1sum', join(parent, 'large')], { env: toolEnvironment() });
    expect(found.kind === 'package' && found.stanza).toContain(
      `SHA1: ${sums.stdout.toString().slice(0, 40)}\nSIZE: ${large.length}\n`,
    );
  });
});

describe('the lock', () => {
  it('makes one wait for the other, and leaves nothing', async () => {
    await pkgdir.put('app-misc/a-1');
    const lock = await lockAsPortage(pkgdir.file('Packages'));
    let waits = 0;
    let isDone = false;
    const events = new EventEmitter();
    const waited = once(events, 'wait');
    const indexing = pkgdir
      .index({
        onWait: () => {
          waits += 1;
          events.emit('wait');
        },
      })
      .finally(() => {
        isDone = true;
      });
    await waited;
    expect([isDone, readdirSync(pkgdir.folder).includes('Packages')]).toEqual([false, false]);
    await lock.release();
    await indexing;
    expect(waits).toBe(1);
    expect(readdirSync(pkgdir.folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is taken and seen as Portage does, with a record of fcntl', async () => {
    const script = `
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o660)
try:
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("free")
except OSError:
    print("held")
`;
    const look = async (): Promise<string> => {
      const command = ['python3', '-c', script, pkgdir.file('.Packages.portage_lockfile')];
      return (await run(command, { env: toolEnvironment() })).stdout.toString().trim();
    };
    const lock = await lockAsPortage(pkgdir.file('Packages'));
    expect(await look()).toBe('held');
    expect(statSync(pkgdir.file('.Packages.portage_lockfile')).size).toBe(0);
    await lock.release();
    expect(await look()).toBe('free');
  });

  it('can be given up waiting for', async () => {
    const lock = await lockAsPortage(pkgdir.file('Packages'));
    await pkgdir.put('app-misc/a-1');
    const stop = new AbortController();
    const onWait = (): void => {
      stop.abort();
    };
    await expect(pkgdir.index({ signal: stop.signal, onWait })).rejects.toMatchObject({
      code: 'lock-aborted',
    });
    await lock.release();
  });
});

describe('a failure while writing', () => {
  it('leaves the old index as it was', async () => {
    await pkgdir.put('app-misc/a-1');
    await pkgdir.index();
    const before = pkgdir.text();
    mkdirSync(pkgdir.file('.Packages.gz.rookery-new'));
    writeFileSync(pkgdir.file('.Packages.gz.rookery-new/x'), '');
    await pkgdir.put('app-misc/b-1');
    await pkgdir.index().catch((error: unknown) => {
      expect(isAppError(error)).toBe(false);
    });
    expect(pkgdir.text()).toBe(before);
    expect(readFileSync(pkgdir.file('Packages.gz')).length).toBeGreaterThan(20);
  });
});

describe('a kill in the middle', () => {
  const MAIN = resolve(import.meta.dirname, '../../src/main.ts');

  it.each(['.Packages.portage_lockfile', '.Packages.rookery-new', '.Packages.gz.rookery-new'])(
    'when %s is there leaves the old index or the new one, and the next run is right',
    async (sign) => {
      const first = await pkgdir.put('app-misc/a-1');
      await pkgdir.index();
      const old = pkgdir.text();
      for (let id = 2; id <= 120; id += 1) {
        pkgdir.place(pkgdir.file(first), placeOf('app-misc/a-1', String(id)), NOON + id);
      }
      const command = [process.execPath, '--import', 'tsx', MAIN, 'index', pkgdir.folder];
      const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
      const exit = ended(child, command);
      while (child.exitCode === null && !existsSync(pkgdir.file(sign))) {
        await new Promise(setImmediate);
      }
      killGroup(child, 'SIGKILL');
      await exit;
      const found = pkgdir.text();
      expect(found === old || parsePackagesIndex(found).entries.length === 120).toBe(true);
      await pkgdir.index();
      expect(pkgdir.entries().size).toBe(120);
      expect(pkgdir.compressedText()).toBe(pkgdir.text());
      expect(readdirSync(pkgdir.folder).toSorted()).toEqual(
        expect.not.arrayContaining(['.Packages.rookery-new', '.Packages.gz.rookery-new']),
      );
      const lock = await lockAsPortage(pkgdir.file('Packages'));
      await lock.release();
    },
    30_000,
  );
});

describe('step by step', () => {
  it('gives what a full run gives, whatever happens to the folder', async () => {
    const work = new MadePkgdir(parent, 'pool');
    const pool: string[] = [];
    for (const [cpv, buildId] of [
      ['app-misc/a-1', '1'],
      ['app-misc/a-1', '2'],
      ['app-misc/a-1-r1', '1'],
      ['app-misc/b-2', '1'],
      ['dev-libs/c-3', '1'],
    ] as const) {
      const metadata = { BUILD_ID: buildId, ...(cpv.includes('c-3') ? { CHOST: 'other' } : {}) };
      pool.push(await work.put(cpv, { metadata }));
    }
    const step = record({
      kind: constantFrom('add', 'remove', 'touch', 'damage', 'placeholder', 'misname', 'hand'),
      which: nat(pool.length - 1),
    });
    let runs = 0;
    await assert(
      asyncProperty(
        array(array(step, { minLength: 1, maxLength: 4 }), { maxLength: 5 }),
        async (rounds) => {
          runs += 1;
          const made = new MadePkgdir(parent, `run-${runs}`);
          for (const steps of rounds) {
            for (const { kind, which } of steps) {
              apply(made, kind, { from: work, path: pool[which] ?? '' });
            }
            await made.index();
          }
          await made.index();
          const stepwise = made.entries();
          made.overwrite('');
          await made.index();
          expect(made.entries()).toEqual(stepwise);
          expect(await made.index()).toMatchObject({ written: false });
        },
      ),
      { numRuns: 40 },
    );
  }, 120_000);
});

let ticks = 0;

function apply(
  made: MadePkgdir,
  kind: string,
  { from, path }: { readonly from: MadePkgdir; readonly path: string },
): void {
  ticks += 1;
  const isThere = statSync(made.file(path), { throwIfNoEntry: false }) !== undefined;
  if (kind === 'add') {
    made.place(from.file(path), path, NOON - ticks);
  } else if (kind === 'placeholder') {
    made.place(from.file(path), path, NOON - ticks);
    writeFileSync(made.file(path), '');
  } else if (kind === 'misname') {
    made.place(from.file(path), path.replace(/-[12]\.gpkg/, '-9.gpkg'), NOON - ticks);
  } else if (kind === 'hand' && statSync(made.file('Packages'), { throwIfNoEntry: false })) {
    made.edit((text) => text.replace(/^MD5: .*\n/m, '').replace('\n\nBUILD', '\n\n\nBUILD'));
  } else if (isThere && kind === 'remove') {
    made.remove(path);
  } else if (isThere && kind === 'touch') {
    utimesSync(made.file(path), NOON - ticks, NOON - ticks);
  } else if (isThere && kind === 'damage') {
    made.damage(path, 100);
    utimesSync(made.file(path), NOON - ticks, NOON - ticks);
  }
}
