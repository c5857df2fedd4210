/**
 * Publishes, promotes and rolls back without end while readers look at the channels: on disk, over HTTP from the code of
 * the server and from nginx, and in a copy that is pulled by rsync all the time. What the retention policy does not keep is
 * collected meanwhile. Counts what a client would trip over: a channel or a file that is absent, an index that is
 * incomplete, older than the one before, or made of two publications.
 */

import { join, resolve } from 'node:path';
import type { Repository } from '../../src/repository/repository.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { type Clock, sleep } from '../../src/support/clock.ts';
import { isAppError, messageOf } from '../../src/support/errors.ts';
import { exists } from '../../src/support/files.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { endsRun } from '../../src/support/runs.ts';
import { isNginxInstalled, startNginx } from '../../test/support/nginx.ts';
import { describePackage } from '../bench/made-packages.ts';
import { type MadeRepository, makeRepository, PROFILE } from '../bench/made-repository.ts';
import { newSeen, readOnDisk, readOverHttp, type Seen } from './readers.ts';
import { serveTree } from './serve-tree.ts';

export interface StressResult {
  readonly publications: number;
  /** Reads, by who made them. */
  readonly reads: Readonly<Record<string, number>>;
  /** How often the copy was pulled. */
  readonly pulls: number;
  readonly collected: number;
  /** Sentences. */
  readonly faults: readonly string[];
}

export interface StressOptions {
  readonly publications: number;
  /** Publications of each channel that are kept, besides those of the grace time; undefined: all. */
  readonly keepLast?: number;
  /** How many rounds something is kept after it was replaced: a reader has so many for one look, a pull half of them. */
  readonly graceRounds?: number;
  /** Between two looks of a reader, milliseconds. */
  readonly readEveryMs?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (now: Omit<StressResult, 'faults'> & { readonly faults: number }) => void;
}

interface Tally {
  round: number;
  publications: number;
  pulls: number;
  collected: number;
  /** A pull that is under way. */
  pulling: { readonly since: number; readonly end: Promise<unknown> } | undefined;
}

const DEED = { author: 'token:stress', reason: 'stress', profile: PROFILE.name } as const;
const TESTING = { ...DEED, channel: 'testing' } as const;
const STABLE = { ...DEED, channel: 'stable' } as const;
/** Of nodes nothing is known here. */
const PROMOTION = { ...STABLE, force: true } as const;
const CHANNELS = ['testing', 'stable'] as const;
/** Few, so that 100,000 folders stay small; some of them end a block. */
const PLAIN_PACKAGES = 7;
const LAST_PACKAGES = 3;
const ROUND_MS = 1000;
const GRACE_ROUNDS = 300;
const COLLECT_EVERY = 20;
/** Between pulls: they are there to be looked at, not to take the machine. */
const PULL_PAUSE_MS = 500;
const PULL = resolve(import.meta.dirname, '../mirror/pull-mirror');

/** Makes at least so many publications below an empty folder. */
export async function stressPublications(
  folder: string,
  options: StressOptions,
): Promise<StressResult> {
  const time = { now: Date.now() };
  const made = await open(folder, { now: () => time.now }, options);
  const end = new AbortController();
  const seen = newSeen(options.readEveryMs ?? 1);
  const tally: Tally = { round: 0, publications: 0, pulls: 0, collected: 0, pulling: undefined };
  const work = await openWork(made);
  const served = await serve(folder, made.mirrorRoot, end.signal);
  try {
    const reading = read(folder, { made, urls: served.urls, seen, tally }, end.signal);
    try {
      await changeChannels({ repository: made.repository, work, time, seen, tally }, options);
    } finally {
      end.abort();
      await reading;
    }
    return { ...countsOf(tally), reads: seen.reads, faults: seen.faults };
  } finally {
    await served.close();
    await made.close();
  }
}

async function changeChannels(
  on: {
    readonly repository: Repository;
    readonly work: (round: number) => Promise<number>;
    readonly time: { now: number };
    readonly seen: Seen;
    readonly tally: Tally;
  },
  { publications, keepLast, graceRounds = GRACE_ROUNDS, ...options }: StressOptions,
): Promise<void> {
  const { repository, work, time, seen, tally } = on;
  const isOver = (): boolean =>
    tally.publications >= publications || options.signal?.aborted === true;
  let collecting: Promise<void> | undefined;
  while (!isOver()) {
    const { round, pulling } = tally;
    if (pulling !== undefined && round - pulling.since > graceRounds / 2) {
      await pulling.end;
    }
    time.now += ROUND_MS;
    tally.publications += await work(round);
    tally.round += 1;
    if (keepLast !== undefined && round % COLLECT_EVERY === COLLECT_EVERY - 1) {
      await collecting;
      collecting = collect(repository, tally);
    }
    options.onProgress?.({
      ...countsOf(tally),
      reads: seen.reads,
      faults: seen.faults.length,
    });
  }
  await collecting;
}

function countsOf({ publications, pulls, collected }: Tally) {
  return { publications, pulls, collected };
}

async function open(
  folder: string,
  clock: Clock,
  { keepLast = 0, graceRounds = GRACE_ROUNDS }: StressOptions,
): Promise<MadeRepository> {
  const signer = await openSigner({
    folder: join(folder, 'signing'),
    name: 'Stress',
    email: 'stress@example.org',
    validDays: 30,
    clock,
  });
  const retention = {
    keepLast,
    daily: 0,
    weekly: 0,
    monthly: 0,
    reportedWithinMs: 0,
    graceMs: graceRounds * ROUND_MS,
    packagesMs: Number.MAX_SAFE_INTEGER,
  };
  return await makeRepository(folder, { signer, clock, retention });
}

/** Readers of the tree, and of a copy of it once there is one. */
async function read(
  folder: string,
  on: {
    readonly made: MadeRepository;
    readonly urls: Readonly<Record<string, string>>;
    readonly seen: Seen;
    readonly tally: Tally;
  },
  signal: AbortSignal,
): Promise<void> {
  const { seen } = on;
  const copy = join(folder, 'copy');
  const readers = CHANNELS.flatMap((channel) => {
    const path = join('binhost', PROFILE.name, channel);
    return [
      readOnDisk('disk', join(on.made.mirrorRoot, path), seen, signal),
      ...Object.entries(on.urls).map(
        async ([who, url]) => await readOverHttp(who, `${url}/${path}`, seen, signal),
      ),
      readCopy(join(copy, path), seen, signal),
    ];
  });
  await Promise.all([...readers, pull(on.made.mirrorRoot, copy, on, signal)]);
}

async function readCopy(link: string, seen: Seen, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await exists(link))) {
    await sleep(100, signal);
  }
  await readOnDisk('copy', link, seen, signal);
}

async function pull(
  mirrorRoot: string,
  copy: string,
  { seen, tally }: { readonly seen: Seen; readonly tally: Tally },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const pulled = run([PULL, `${mirrorRoot}/`, copy], { env: toolEnvironment() });
    tally.pulling = { since: tally.round, end: pulled.catch(() => undefined) };
    const { exitCode, stderr } = await pulled;
    tally.pulling = undefined;
    if (exitCode === 0) {
      tally.pulls += 1;
    } else {
      seen.faults.push(`pull-mirror ended with ${exitCode}: ${stderr}`);
    }
    await sleep(PULL_PAUSE_MS, signal);
  }
}

async function collect(repository: Repository, tally: Tally): Promise<void> {
  const { profiles } = await repository.retention.collect({
    dryRun: false,
    actor: 'token:stress',
  });
  tally.collected += profiles.flatMap((one) => one.publications).filter((one) => !one.keep).length;
}

/** The server's own code, and nginx where it is installed. */
async function serve(folder: string, mirrorRoot: string, signal: AbortSignal) {
  const own = await serveTree(mirrorRoot, signal);
  const nginx = (await isNginxInstalled())
    ? await startNginx({ folder: join(folder, 'nginx'), mirrorRoot, upstream: '127.0.0.1:9' })
    : undefined;
  return {
    urls: { rookery: own.url, ...(nginx === undefined ? {} : { nginx: nginx.url }) },
    close: async () => {
      await nginx?.stop();
      await own.close();
    },
  };
}

/** What is done in a round; returns how many publications it made. Both channels show something from the start on. */
async function openWork({ repository, add }: MadeRepository) {
  const numbers = chooseNumbers();
  const builds = [await add(numbers, 1), await add(numbers, 2)];
  await repository.publish({ ...TESTING, packageIds: builds[0] ?? [] });
  await repository.promote(PROMOTION);
  return async (round: number): Promise<number> => {
    const at = round % numbers.length;
    const build = builds[Math.floor(round / numbers.length) % 2 === 0 ? 1 : 0];
    await repository.publish({ ...TESTING, packageIds: [build?.[at] ?? ''] });
    const serial = await promoteTwice(repository);
    if (round % 5 > 0) {
      return 2;
    }
    await repository.rollback({ ...STABLE, serial: Math.max(1, serial - 2) });
    return 3;
  };
}

/** Two administrators at once: one wins, the other one is told so. Returns the serial of the winner. */
async function promoteTwice(repository: Repository): Promise<number> {
  const both = await Promise.allSettled([
    repository.promote(PROMOTION),
    repository.promote(PROMOTION),
  ]);
  const won = both.flatMap((one) => (one.status === 'fulfilled' ? one.value.serial : []));
  const lost = both.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (won[0] === undefined || lost.length !== 1 || !isAppError(lost[0], 'nothing-to-promote')) {
    throw new Error(`${won.length} of two promotions won; the other: ${messageOf(lost[0])}`);
  }
  return won[0];
}

function chooseNumbers(): number[] {
  const numbers: number[] = [];
  for (let number = 0, lasts = 0; numbers.length < PLAIN_PACKAGES + LAST_PACKAGES; number += 1) {
    const { category, pf } = describePackage(number);
    const isLast = endsRun(`${category}/${pf}`);
    if (isLast ? lasts < LAST_PACKAGES : numbers.length - lasts < PLAIN_PACKAGES) {
      numbers.push(number);
      lasts += Number(isLast);
    }
  }
  return numbers;
}
