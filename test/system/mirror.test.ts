import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { digestFile } from '../../src/support/digests.ts';
import {
  ended,
  killGroup,
  run,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { makePackage } from '../repository/make-package.ts';
import {
  DEED,
  type Installation,
  openInstallation,
  push,
} from '../repository/open-installation.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PULL = resolve(import.meta.dirname, '../../scripts/mirror/pull-mirror');
const PUBLICATIONS = 12;
const env = toolEnvironment();
const folder = temporaryFolder();
let farm: Installation;
let source: string;
let stopDaemon: () => Promise<void>;

beforeAll(async () => {
  farm = await openInstallation(join(folder, 'farm'), new ManualClock());
  mkdirSync(join(folder, 'made'));
  const port = await freePort();
  const configuration = join(folder, 'rsyncd.conf');
  writeFileSync(
    configuration,
    `use chroot = no\n[mirror]\npath = ${farm.folders.mirrorRoot}\nread only = yes\n`,
  );
  const options = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`];
  const command = ['rsync', ...options, `--config=${configuration}`];
  const daemon = spawnGroup(command, { env }, 'ignore');
  const ending = ended(daemon, command);
  source = `rsync://127.0.0.1:${port}/mirror/`;
  stopDaemon = async () => {
    killGroup(daemon, 'SIGKILL');
    await ending;
  };
  await publish(0);
  await poll('the rsync daemon', async () =>
    (await run(['rsync', source], { env })).exitCode === 0 ? true : undefined,
  );
});

afterAll(async () => {
  await stopDaemon();
  await farm.close();
});

/** A publication with new versions of both packages, noise so that they take a while to transfer. */
async function publish(version: number): Promise<void> {
  for (const name of ['a', 'b']) {
    const content = randomBytes(400_000);
    const metadata = { RDEPEND: undefined };
    const file = await makePackage(join(folder, 'made'), `app-misc/${name}-1.${version}`, {
      content,
      metadata,
    });
    await push(farm.repository, file);
  }
  await farm.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
}

/** What a client would find wrong with the channel of a copy; and the publication that it shows. */
async function look(copy: string): Promise<{ readonly shown: string; readonly faults: string[] }> {
  const binhost = join(copy, 'binhost/web');
  const shown = await readlink(join(binhost, 'testing'));
  const publication = join(binhost, shown);
  const faults: string[] = [];
  const text = await readFile(join(publication, 'Packages'), 'utf8');
  const packed = gunzipSync(await readFile(join(publication, 'Packages.gz'))).toString();
  if (packed !== text) {
    faults.push('Packages.gz is not Packages');
  }
  for (const entry of parsePackagesIndex(text).entries) {
    const path = join(publication, entry.get('PATH') ?? '');
    const { digests } = await digestFile(path, ['sha1']);
    if (digests.of('sha1') !== entry.get('SHA1')) {
      faults.push(`${path} has another SHA1`);
    }
  }
  const { mtimeMs } = await stat(join(publication, 'Packages'));
  if (mtimeMs / 1000 !== Number(parsePackagesIndex(text).header.get('TIMESTAMP'))) {
    faults.push('the time of Packages is not its TIMESTAMP');
  }
  return { shown, faults };
}

/** Publishes again and again until the work is done; returns how many there were. */
async function whilePublishing(from: number, work: () => Promise<unknown>): Promise<number> {
  const done = new AbortController();
  const working = work().finally(() => {
    done.abort();
  });
  let published = 0;
  while (!done.signal.aborted && published < PUBLICATIONS) {
    published += 1;
    await publish(from + published);
  }
  await working;
  return published;
}

describe('a copy of the mirror by rsync', () => {
  it('is whole after rsync -a --delete-delay, whatever is published meanwhile', async () => {
    const copy = mkdtempSync(join(folder, 'plain-'));
    const sync = ['rsync', '-a', '--delete-delay', '--exclude=/incoming', '--exclude=.tmp-*'];
    const slow = '--bwlimit=6m';
    for (let turn = 0; turn < 3; turn += 1) {
      const published = await whilePublishing(100 * (turn + 1), async () => {
        const { exitCode, stderr } = await run([...sync, slow, source, `${copy}/`], { env });
        expect([0, 24]).toContain(exitCode);
        expect(stderr.replace(/^(?:file has vanished|rsync warning).*\n/gm, '')).toBe('');
      });
      expect(published).toBeGreaterThan(0);
      expect((await look(copy)).faults).toEqual([]);
    }
  });

  it('by pull-mirror is whole at every moment', async () => {
    const copy = join(mkdtempSync(join(folder, 'pulled-')), 'mirror-root');
    await runChecked([PULL, source, copy], { env });
    const seen = new Set<string>();
    const faults: string[] = [];
    const over = new AbortController();
    const reading = (async () => {
      while (!over.signal.aborted) {
        const found = await look(copy);
        seen.add(found.shown);
        faults.push(...found.faults);
      }
    })();
    try {
      for (let turn = 0; turn < 3; turn += 1) {
        await whilePublishing(1000 * (turn + 1), async () => {
          await runChecked([PULL, source, copy, '--bwlimit=6m'], { env });
        });
      }
    } finally {
      over.abort();
      await reading;
    }
    await runChecked([PULL, source, copy], { env });
    expect(faults).toEqual([]);
    expect(seen.size).toBeGreaterThan(2);
    const { shown } = await look(copy);
    expect(shown).toBe(await readlink(join(farm.folders.mirrorRoot, 'binhost/web/testing')));
    expect((await readdir(copy)).toSorted()).toEqual(['.pull-mirror.lock', 'binhost']);
  });

  it('by pull-mirror stays as it is when the source cannot be reached', async () => {
    const copy = join(mkdtempSync(join(folder, 'unreached-')), 'mirror-root');
    await runChecked([PULL, source, copy], { env });
    const before = await look(copy);
    const nowhere = `rsync://127.0.0.1:${await freePort()}/mirror/`;
    const { exitCode, stderr } = await run([PULL, nowhere, copy], { env });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('rsync ended with 10')]);
    expect(await look(copy)).toEqual(before);
    expect((await run([PULL, source], { env })).exitCode).toBe(2);
  });
});
