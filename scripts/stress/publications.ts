/**
 * Publishes, promotes and rolls back without end while readers look at the channels, on disk and over HTTP, and
 * counts what a client would trip over: a channel or a file that is absent, an index that is incomplete, older than
 * the one before, or made of two publications.
 */

import { join } from 'node:path';
import type { Repository } from '../../src/repository/repository.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import type { Clock } from '../../src/support/clock.ts';
import { isAppError, messageOf } from '../../src/support/errors.ts';
import { endsRun } from '../../src/support/runs.ts';
import { describePackage } from '../bench/made-packages.ts';
import { type MadeRepository, makeRepository, PROFILE } from '../bench/made-repository.ts';
import { readOnDisk, readOverHttp, type Seen } from './readers.ts';
import { serveTree } from './serve-tree.ts';

export interface StressResult {
  readonly publications: number;
  readonly diskReads: number;
  readonly httpReads: number;
  /** Sentences. */
  readonly faults: readonly string[];
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

/** Makes at least this many publications below an empty folder. */
export async function stressPublications(
  folder: string,
  publications: number,
  onProgress: (done: number) => void = () => undefined,
): Promise<StressResult> {
  let now = Date.now();
  const clock: Clock = { now: () => now };
  const signer = await openSigner({
    folder: join(folder, 'signing'),
    name: 'Stress',
    email: 'stress@example.org',
    validDays: 30,
    clock,
  });
  const made = await makeRepository(folder, { signer, clock });
  const end = new AbortController();
  const seen: Seen = { reads: { disk: 0, http: 0 }, texts: new Map(), faults: [] };
  const work = await openWork(made);
  const http = await serveTree(made.mirrorRoot, end.signal);
  try {
    const reading = CHANNELS.flatMap((channel) => [
      readOnDisk(join(made.mirrorRoot, 'binhost', PROFILE.name, channel), seen, end.signal),
      readOverHttp(`${http.url}/binhost/${PROFILE.name}/${channel}`, seen, end.signal),
    ]);
    let done = 0;
    try {
      for (let round = 0; done < publications; round += 1) {
        now += 1000;
        done += await work(round);
        onProgress(done);
      }
    } finally {
      end.abort();
      await Promise.all(reading);
    }
    const { disk, http: requests } = seen.reads;
    return { publications: done, diskReads: disk, httpReads: requests, faults: seen.faults };
  } finally {
    await http.close();
    await made.close();
  }
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
