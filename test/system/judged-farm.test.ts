import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { judgeFarm } from '../../scripts/stress/judged-farm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const KILLS = 9;

/** A small one of `scripts/stress-farm.ts`, which does it with real Portage, longer, and on PostgreSQL. */
it('four agents build what can be built, once, and say truly what waits for what, whoever is killed', async () => {
  const said: string[] = [];
  const { faults, killed, reasons } = await judgeFarm(join(folder, 'farm'), {
    executor: 'source',
    engine: 'sqlite',
    agents: 4,
    buildSeconds: 0.5,
    seed: 7,
    kills: KILLS,
    postmasterKills: 0,
    killEveryMs: 800,
    isTimed: false,
    say: (line) => said.push(line),
  });
  expect([...faults, ...said.filter((line) => !line.endsWith('faults 0'))]).toEqual([]);
  expect(killed.server + killed.agents).toBe(KILLS);
  expect(Math.min(killed.server, killed.agents)).toBeGreaterThan(0);
  const given = Object.keys(reasons);
  for (const code of ['needs-job', 'building', 'succeeded', 'failed', 'skipped', 'cancelled']) {
    expect(given).toContain(code);
  }
}, 240_000);
