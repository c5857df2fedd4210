import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CacheDriver } from '../../../src/fleet/drivers/ports.ts';
import type { Endpoint, Farm } from '../../../src/fleet/inventory/inventory.ts';
import { testSite } from './test-site.ts';

export interface CacheHarness {
  readonly driver: CacheDriver;
  readonly endpoint: Endpoint;
  /** Where nobody answers. */
  readonly nobody: Endpoint;
  /** Says that it emptied itself, and did not; absent: there is no such cache. */
  readonly liar?: Endpoint;
  put(key: string): Promise<void>;
  has(key: string): Promise<boolean>;
  close(): Promise<void>;
}

/** What every cache has to hold. */
export function cacheContract(name: string, open: () => Promise<CacheHarness>): void {
  describe(`${name} is emptied`, () => {
    let harness: CacheHarness;
    const farm = onlyFarm();

    beforeAll(async () => {
      harness = await open();
    });

    afterAll(async () => {
      await harness?.close();
    });

    it('of everything that was in it, as often as it is told', async () => {
      await harness.put('session-1');
      expect(await harness.has('session-1')).toBe(true);
      await harness.driver.flush(farm, harness.endpoint);
      expect(await harness.has('session-1')).toBe(false);
      await harness.driver.flush(farm, harness.endpoint);
    });

    it('and is not believed to be when it says so and is not', async () => {
      const { driver, liar } = harness;
      if (liar !== undefined) {
        await expect(driver.flush(farm, liar)).rejects.toMatchObject({ code: 'cache-not-flushed' });
      }
    });

    it('and is not believed to be when nobody answers', async () => {
      await expect(harness.driver.flush(farm, harness.nobody)).rejects.toMatchObject({
        code: 'cache-unreachable',
      });
    });
  });
}

function onlyFarm(): Farm {
  const [farm] = testSite([]).farms;
  if (farm === undefined) {
    throw new Error('a site without farms');
  }
  return farm;
}
