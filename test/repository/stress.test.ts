import { expect, it } from '@jest/globals';
import { stressPublications } from '../../scripts/stress/publications.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

it('readers on disk and over HTTP never find a channel absent, mixed or older', async () => {
  const result = await stressPublications(folder, 150);
  expect(result.faults).toEqual([]);
  expect(result.publications).toBeGreaterThanOrEqual(150);
  expect(Math.min(result.diskReads, result.httpReads)).toBeGreaterThan(50);
});
