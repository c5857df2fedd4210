import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../../src/support/clock.ts';
import type { Bench } from './claims.ts';
import { type MadeRepository, makeRepository, PROFILE } from './made-repository.ts';
import { type Measurement, measure, median, shown } from './measure.ts';

const CHANGED = 10;
const RUNS = 9;
const DEED = { author: 'token:bench', reason: 'measured', profile: PROFILE.name } as const;
const TESTING = { ...DEED, channel: 'testing' } as const;
const STABLE = { ...DEED, channel: 'stable' } as const;
/** Of nodes nothing is known here. */
const PROMOTION = { ...STABLE, force: true } as const;

interface Costs {
  readonly newest: Measurement;
  readonly chosen: Measurement;
  readonly promote: Measurement;
  readonly rollback: Measurement;
  /** Milliseconds. */
  readonly longestTurn: number;
}

/** Publish after a change of ten packages, promote and roll back, by the number of packages that the channel shows. */
export async function publishWhatChanged(bench: Bench): Promise<void> {
  const { small, large } = bench.sizes;
  const few = await costsOf(bench, small);
  const many = await costsOf(bench, large);
  for (const [what, kind] of [
    ['newest of everything', 'newest'],
    ['chosen packages', 'chosen'],
  ] as const) {
    const ratio = median(many[kind]) / median(few[kind]);
    bench.print(
      `publish the ${what}, ${CHANGED} changed: among ${large} ${shown(many[kind])}, among ${small} ${shown(few[kind])}: ${ratio.toFixed(2)} times as long (target: at most 2, below 1 s)`,
    );
  }
  for (const kind of ['promote', 'rollback'] as const) {
    bench.print(
      `${kind} of ${large} packages: ${shown(many[kind])}, of ${small} ${shown(few[kind])} (target: below 1 s)`,
    );
  }
  bench.print(
    `longest turn of the event loop meanwhile: ${many.longestTurn.toFixed(0)} ms at ${large}, ${few.longestTurn.toFixed(0)} ms at ${small}`,
  );
}

async function costsOf(bench: Bench, size: number): Promise<Costs> {
  const folder = join(bench.folder, `published-${size}`);
  const made = await makeRepository(folder, {
    signer: bench.signer,
    clock: systemClock,
    needy: true,
  });
  try {
    await made.add(
      Array.from({ length: size }, (_, number) => number),
      1,
    );
    await made.repository.publish(TESTING);
    await made.repository.promote(PROMOTION);
    return await measureAll(made, size);
  } finally {
    await made.close();
    await rm(folder, { recursive: true });
  }
}

async function measureAll({ repository, add }: MadeRepository, size: number): Promise<Costs> {
  let build = 1;
  const change = async (): Promise<readonly string[]> => {
    build += 1;
    const step = size / CHANGED;
    const numbers = Array.from({ length: CHANGED }, (_, at) =>
      Math.min(size - 1, Math.floor((at + (build % 7) / 7) * step)),
    );
    return await add(numbers, build);
  };
  let packageIds: readonly string[] = [];
  let longestTurn = 0;
  const watched = async (work: () => Promise<unknown>): Promise<void> => {
    const turns = monitorEventLoopDelay({ resolution: 1 });
    turns.enable();
    await work();
    turns.disable();
    longestTurn = Math.max(longestTurn, turns.max / 1e6);
  };
  const newest = await measure(RUNS, () => watched(() => repository.publish(TESTING)), change);
  const chosen = await measure(
    RUNS,
    () => watched(() => repository.publish({ ...TESTING, packageIds })),
    async () => {
      packageIds = await change();
    },
  );
  const promote = await measure(
    RUNS,
    () => watched(() => repository.promote(PROMOTION)),
    async () => repository.publish({ ...TESTING, packageIds: await change() }),
  );
  const rollback = await measure(RUNS, () => watched(() => repository.rollback(STABLE)));
  return { newest, chosen, promote, rollback, longestTurn };
}
