import { expect, it } from '@jest/globals';
import { stressPublications } from '../../scripts/stress/publications.ts';
import { isNginxInstalled } from '../support/nginx.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

it('readers on disk, over HTTP, from nginx and of a copy never find a channel absent, mixed or older, whatever is collected', async () => {
  const result = await stressPublications(folder, {
    publications: 160,
    keepLast: 5,
    graceRounds: 40,
  });
  expect(result.faults).toEqual([]);
  expect(result.publications).toBeGreaterThanOrEqual(160);
  expect(result.collected).toBeGreaterThan(10);
  const readers = ['disk', 'rookery', 'copy', ...((await isNginxInstalled()) ? ['nginx'] : [])];
  expect(Object.keys(result.reads).toSorted()).toEqual(readers.toSorted());
  expect(Math.min(...Object.values(result.reads))).toBeGreaterThanOrEqual(10);
  expect(result.pulls).toBeGreaterThanOrEqual(1);
}, 240_000);
