import type { BuildsOptions } from '../../src/builds/create-builds.ts';

/** For a farm that is not asked for PHP trees. */
export const NO_TREES: BuildsOptions['trees'] = {
  reserve: refuseTrees,
  isListed: refuseTrees,
  importTree: refuseTrees,
};

export async function refuseTrees(): Promise<never> {
  throw new Error('this farm builds no PHP trees');
}
