import { describe, expect, it } from '@jest/globals';
import { distccHosts } from '../../src/agent/sharing/share-compiling.ts';
import {
  COMPILE_HOST,
  compileSharingOf,
  faultsInSharing,
} from '../../src/gentoo/compile-sharing.ts';
import { withJobs } from '../../src/gentoo/make-options.ts';

const MIB = 1024 * 1024;

describe('what a profile says about distcc and ccache', () => {
  it('is nothing unless it is enabled', () => {
    expect(compileSharingOf()).toBeUndefined();
    expect(compileSharingOf({ enabled: false }, { 'max-mib': 10 })).toBeUndefined();
    expect(compileSharingOf({ enabled: true })).toEqual({ distcc: true, ccacheBytes: null });
    expect(compileSharingOf({}, { enabled: true, 'max-mib': 10 })).toEqual({
      distcc: false,
      ccacheBytes: 10 * MIB,
    });
  });

  it.each(['-O2 -march=native', '-mtune=native -O2', '-mcpu=native'])(
    'does not go with %s',
    (cflags) => {
      for (const table of ['distcc', 'ccache'] as const) {
        const [fault] = faultsInSharing({ cflags, [table]: { enabled: true } }, 'p/profile.toml');
        expect(fault).toContain(`p/profile.toml: cflags = "${cflags}": with [${table}] enabled`);
      }
      expect(faultsInSharing({ cflags }, 'x')).toEqual([]);
    },
  );

  it('goes with a processor that is named', () => {
    const document = { cflags: '-march=x86-64-v3 -DX=-march=native2', distcc: { enabled: true } };
    expect(faultsInSharing(document, 'x')).toEqual([]);
  });
});

describe('MAKEOPTS with another number of jobs', () => {
  it.each([
    ['', '-j12'],
    ['-j4', '-j12'],
    ['-l8 -j 4 --quiet', '-j12 -l8 --quiet'],
    ['--jobs=4 -l 8', '-j12 -l 8'],
    ['-j', '-j12'],
  ])('makes %j %j', (before, after) => {
    expect(withJobs(before, 12)).toBe(after);
  });
});

describe('DISTCC_HOSTS', () => {
  it('names this machine and the others with as many files as they compile at once', () => {
    const hosts = [{ agent: 'b', host: '10.1.0.2', port: 3632, jobs: 64 }];
    expect(distccHosts(4, hosts)).toBe(
      '--localslots=4 --localslots_cpp=8 localhost/4 10.1.0.2:3632/64,lzo',
    );
  });

  it.each(['@host', 'a b', 'host/4', 'host,lzo', 'host:1', '--randomize', '', '1.2.3.4/8'])(
    'takes no host that is called %j',
    (host) => {
      expect(COMPILE_HOST.test(host)).toBe(false);
    },
  );
});
