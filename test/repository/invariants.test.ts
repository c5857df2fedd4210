import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { Repository } from '../../src/repository/repository.ts';
import { isAppError } from '../../src/support/errors.ts';
import { newId } from '../../src/support/ids.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { rounds } from '../support/test-database.ts';
import { inspectTree } from './inspect-tree.ts';
import { makePackage } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const NAMES = ['app-misc/a-1', 'app-misc/a-1-r1', 'app-misc/a-2', 'app-misc/b-1', 'dev-libs/c-9'];
const REFUSALS = [
  'nothing-to-promote',
  'nothing-to-roll-back',
  'index-collapsed',
  'unknown-publication',
];
let files: string[];

beforeAll(async () => {
  const made = join(folder, 'made');
  await mkdir(made);
  files = await Promise.all(
    NAMES.flatMap((cpv, index) => [
      makePackage(made, cpv, { buildTime: 1000 + index }),
      makePackage(made, cpv, { buildTime: 2000 - index, slot: '1/x' }),
    ]),
  );
});

const channel = fc.constantFrom('testing', 'stable');
const serial = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });
const deed = fc.oneof(
  fc.record({
    do: fc.constant('import' as const),
    files: fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 }),
    profile: fc.constantFrom('web', 'web', 'old'),
  }),
  fc.record({
    do: fc.constant('publish' as const),
    channel,
    request: fc.option(fc.constantFrom('req-1', 'req-2'), { nil: undefined }),
    some: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
  }),
  fc.record({ do: fc.constant('promote' as const), serial }),
  fc.record({ do: fc.constant('rollback' as const), channel, serial }),
  fc.record({ do: fc.constant('wait' as const), seconds: fc.integer({ min: -100, max: 100 }) }),
  fc.record({ do: fc.constant('restart' as const) }),
);
type AnyDeed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

interface Run {
  readonly installation: Installation;
  readonly clock: ManualClock;
  repository: Repository;
}

async function perform(run: Run, step: AnyDeed): Promise<void> {
  const { repository } = run;
  if (step.do === 'import') {
    const { profile } = step;
    await Promise.all(
      step.files.map(async (index) => await push(repository, files[index] ?? '', { profile })),
    );
  } else if (step.do === 'publish') {
    await publish(repository, step);
  } else if (step.do === 'promote' || step.do === 'rollback') {
    await repository[step.do]({
      ...DEED,
      profile: 'web',
      channel: step.do === 'promote' ? 'stable' : step.channel,
      force: true,
      ...(step.serial === undefined ? {} : { serial: step.serial }),
    });
  } else if (step.do === 'wait') {
    run.clock.advance(step.seconds * 1000);
  } else {
    run.repository = run.installation.restarted();
    await run.repository.recover();
  }
}

async function publish(
  repository: Repository,
  step: Extract<AnyDeed, { do: 'publish' }>,
): Promise<void> {
  const known = await repository.newestPackages('web');
  const first = step.some ?? 0;
  await repository.publish({
    ...DEED,
    profile: 'web',
    channel: step.channel,
    force: true,
    ...(step.request === undefined ? {} : { requestId: step.request }),
    ...(step.some === undefined
      ? {}
      : { packageIds: known.slice(first, first + 2).map(({ id }) => id) }),
  });
}

async function performAll(run: Run, steps: readonly AnyDeed[]): Promise<void> {
  const published = new Map<string, string>();
  for (const step of steps) {
    try {
      await perform(run, step);
    } catch (error) {
      if (!REFUSALS.some((code) => isAppError(error, code))) {
        throw error;
      }
    }
    expect(await changedPaths(run.installation, published)).toEqual([]);
  }
}

it('whatever is done in whatever order, what was published stays true', async () => {
  const sequences = fc.array(deed, { minLength: 3, maxLength: 16 });
  const property = fc.asyncProperty(sequences, async (steps) => {
    const own = join(folder, newId('run'));
    const clock = new ManualClock();
    const installation = await openInstallation(own, clock);
    try {
      await performAll({ installation, clock, repository: installation.repository }, steps);
      expect(await inspectTree(installation)).toEqual([]);
    } finally {
      await installation.close();
      await rm(own, { recursive: true });
    }
  });
  await fc.assert(property, { numRuns: rounds(30) });
}, 120_000);

/** Paths whose content is another than it was, or whose BUILD_ID is not their own. */
async function changedPaths(
  { database }: Installation,
  published: Map<string, string>,
): Promise<string[]> {
  const rows = await database
    .selectFrom('packages')
    .select(['profile', 'cpv', 'build_id', 'path', 'sha512'])
    .execute();
  const faults: string[] = [];
  for (const { profile, cpv, build_id, path, sha512 } of rows) {
    for (const key of [`${profile}/${path}`, `${profile} ${cpv} ${build_id}`]) {
      if (published.has(key) && published.get(key) !== sha512) {
        faults.push(key);
      }
      published.set(key, sha512);
    }
  }
  return faults;
}
