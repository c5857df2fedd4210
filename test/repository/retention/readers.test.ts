import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, it } from '@jest/globals';
import { serveTree } from '../../../scripts/stress/serve-tree.ts';
import { parsePackagesIndex } from '../../../src/gentoo/packages-index.ts';
import { digestOf } from '../../../src/support/digests.ts';
import { namesIn } from '../../../src/support/files.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { isNginxInstalled, startNginx } from '../../support/nginx.ts';
import { poll } from '../../support/poll.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { inspectTree } from '../inspect-tree.ts';
import { makePackage } from '../make-package.ts';
import {
  DEED,
  type Installation,
  keeping,
  keepingLittle,
  openInstallation,
  push,
} from '../open-installation.ts';

const HOUR = 3_600_000;
const GRACE_HOURS = 4;
const ROUNDS = 24;
const folder = temporaryFolder();
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const onStable = { ...DEED, profile: 'web', channel: 'stable', force: true };

/** A client that has an index in its cache, and may ask for what it names until then. */
interface Cached {
  readonly until: number;
  readonly done: Promise<void>;
}

/** What all clients have seen. */
interface Seen {
  readonly held: Set<Cached>;
  readonly faults: string[];
  fetched: number;
}

/** One hour: a package comes, both channels move on, and what nothing holds goes. */
async function passHour({ repository }: Installation, hour: number): Promise<void> {
  const name = hour % 3 === 0 ? 'third' : 'app';
  await push(repository, await makePackage(folder, `app-misc/${name}-${hour}`));
  await repository.publish(onTesting);
  await repository.promote(onStable);
  await repository.retention.collect({ dryRun: false, actor: 'token:ops' });
}

/** Fetches an index again and again, keeps it for nearly the grace time, and then asks for all that it names. */
async function read(url: string, clock: ManualClock, seen: Seen, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    const until = clock.now() + GRACE_HOURS * HOUR;
    const { entries } = parsePackagesIndex(
      gunzipSync(await get(`${url}/Packages.gz`, seen)).toString('utf8'),
    );
    const fetching = async (): Promise<void> => {
      await poll('the last hour', () => clock.now() >= until - HOUR || end.aborted || undefined);
      for (const entry of entries) {
        const bytes = await get(`${url}/${entry.get('PATH')}`, seen);
        seen.fetched += 1;
        if (digestOf('sha1', bytes) !== entry.get('SHA1')) {
          seen.faults.push(`${url}: ${entry.get('PATH')} is not what the index said`);
        }
      }
    };
    const cached = { until, done: fetching() };
    seen.held.add(cached);
    await cached.done;
    seen.held.delete(cached);
  }
}

async function get(url: string, { faults }: Seen): Promise<Buffer> {
  const response = await fetch(url);
  if (response.status !== 200) {
    faults.push(`${url}: ${response.status}`);
  }
  return Buffer.from(await response.arrayBuffer());
}

it('a client never asks in vain for what its index names, within the grace time, whatever is collected', async () => {
  const clock = new ManualClock();
  const end = new AbortController();
  const installation = await openInstallation(
    folder,
    clock,
    keeping(keepingLittle(GRACE_HOURS * HOUR, 0)),
  );
  const { mirrorRoot } = installation.folders;
  await mkdir(mirrorRoot, { recursive: true });
  const served = await serveTree(mirrorRoot, end.signal);
  const nginx = (await isNginxInstalled())
    ? await startNginx({ folder: join(folder, 'nginx'), mirrorRoot, upstream: '127.0.0.1:9' })
    : undefined;
  const seen: Seen = { held: new Set(), faults: [], fetched: 0 };
  try {
    await passHour(installation, 1);
    const urls = [served.url, ...(nginx === undefined ? [] : [nginx.url])].flatMap((url) => [
      `${url}/binhost/web/testing`,
      `${url}/binhost/web/stable`,
    ]);
    const reading = Promise.all(urls.map(async (url) => await read(url, clock, seen, end.signal)));
    for (let hour = 2; hour <= ROUNDS; hour += 1) {
      // Nobody's time runs out while he fetches.
      const late = [...seen.held].filter(({ until }) => until <= clock.now() + HOUR);
      await Promise.all(late.map(async ({ done }) => await done));
      clock.advance(HOUR);
      await passHour(installation, hour);
    }
    end.abort();
    await reading;
    expect(seen.faults).toEqual([]);
    expect(seen.fetched).toBeGreaterThan(urls.length * 5);
    const left = await namesIn(join(mirrorRoot, 'binhost', 'web', '.publications'));
    expect(left.length).toBeLessThanOrEqual(2 * (GRACE_HOURS + 2));
    expect(
      (await fetch(`${served.url}/binhost/web/packages/app-misc/app/app-2-1.gpkg.tar`)).status,
    ).toBe(404);
    expect(await inspectTree(installation)).toEqual([]);
  } finally {
    end.abort();
    await nginx?.stop();
    await served.close();
    await installation.close();
  }
}, 120_000);
