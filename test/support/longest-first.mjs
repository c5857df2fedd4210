import TestSequencer from '@jest/test-sequencer';

/** The test files that take the longest, longest first. */
const LONGEST = [
  'fleet-lab/rollouts',
  'repository/interrupted',
  'system/crash',
  'fleet-lab/killed-server',
  'postgresql/kills',
  'postgresql/servers',
  'repository/resign',
  'system/rebuild',
  'repository/stress',
  'builds/simulation',
  'binpkg/fuzz',
  'fleet-lab/namespaces',
  'fleet-lab/ansible',
  'php-node/activate',
  'php-node/pull',
  'http/client-script',
  'builds/leases',
  'system/cancel-and-failures',
  'keys/farm-keys',
];

/**
 * Starts the long files first, also in a fresh clone, where Jest knows no durations and goes by the size of the files:
 * a long one at the end leaves all processors but one without work.
 */
// oxlint-disable-next-line import/no-default-export -- what Jest asks for
export default class LongestFirst extends TestSequencer {
  sort(tests) {
    // oxlint-disable-next-line unicorn/no-array-sort -- a method of Jest's, which leaves its argument as it is
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
}

function rank({ path }) {
  const found = LONGEST.findIndex((name) => path.endsWith(`/test/${name}.test.ts`));
  return found === -1 ? LONGEST.length : found;
}
