import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/support/clock.ts';
import type { Bench } from './claims.ts';
import { makeRepository, PROFILE } from './made-repository.ts';
import { measure, shown } from './measure.ts';

const CHANGED = 10;
const RUNS = 5;
const TESTING = {
  author: 'token:bench',
  reason: 'measured',
  profile: PROFILE.name,
  channel: 'testing',
};

/** The whole gate: for a channel that it looks at for the first time, and after a change of ten packages. */
export async function gateOnce(bench: Bench): Promise<void> {
  const { large } = bench.sizes;
  const folder = join(bench.folder, 'gate');
  const made = await makeRepository(folder, {
    signer: bench.signer,
    clock: systemClock,
    needy: true,
  });
  try {
    const numbers = Array.from({ length: large }, (_, number) => number);
    await made.add(numbers, 1);
    await made.repository.publish(TESTING);
    const contents = { channel: 'testing' };
    const check = async (repository: typeof made.repository): Promise<void> => {
      const asked = { profile: PROFILE.name, channel: 'stable', contents };
      const { findings } = await repository.check(asked);
      if (findings.length > 0) {
        throw new Error(`the gate has findings: ${findings[0]?.message}`);
      }
    };
    const cold = await measure(RUNS, async () => await check(made.reopened()));
    await check(made.repository);
    let build = 1;
    const warm = await measure(
      RUNS,
      async () => await check(made.repository),
      async () => {
        build += 1;
        const step = Math.floor(large / CHANGED);
        const some = Array.from({ length: CHANGED }, (_, at) => at * step + build);
        await made.repository.publish({ ...TESTING, packageIds: await made.add(some, build) });
      },
    );
    bench.print(
      `the gate over ${large} packages: ${shown(cold)} (target: below 5 s), after a change of ${CHANGED} ${shown(warm)} (target: below 1 s)`,
    );
  } finally {
    await made.close();
    await rm(folder, { recursive: true });
  }
}
