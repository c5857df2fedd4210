import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import type { BuildSettings } from '../../src/builds/builds-context.ts';
import type { HardwareProfile } from '../../src/gentoo/profile.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { Farm } from './farm.ts';

/** Makes farms that are stopped after the test. Call it outside of tests and hooks. */
export function farmMaker(): (
  profiles?: readonly HardwareProfile[],
  settings?: Partial<BuildSettings>,
) => Promise<Farm> {
  const folder = temporaryFolder();
  const farms: Farm[] = [];
  afterEach(async () => {
    for (const farm of farms.splice(0)) {
      await farm.stop();
    }
  });
  return async (profiles, settings) => {
    const farm = await Farm.start(mkdtempSync(join(folder, 'farm-')), profiles, settings);
    farms.push(farm);
    return farm;
  };
}
