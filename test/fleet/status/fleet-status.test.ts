import { describe, expect, it } from '@jest/globals';
import { readInventory } from '../../../src/fleet/inventory/read-inventory.ts';
import type { ObservedNode, ObservedSystem } from '../../../src/fleet/observed/observed-node.ts';
import { fleetStatus } from '../../../src/fleet/status/fleet-status.ts';
import { compareKernels } from '../../../src/fleet/status/node-flags.ts';
import { hardwareProfileSchema } from '../../../src/gentoo/profile.ts';
import { sampleInventory } from '../sample-inventory.ts';

const NOW = 1_800_000_000_000;
const PROFILE = hardwareProfileSchema.parse({
  name: 'web',
  description: '',
  ancestors: [],
  arch: 'amd64',
  chost: 'x86_64-pc-linux-gnu',
  flags: { CFLAGS: '-O2 -march=x86-64-v2' },
  cpuFlags: ['aes'],
  cpuFlagsVariable: 'CPU_FLAGS_X86',
  gentooProfile: null,
  use: [],
  features: [],
  makeopts: '',
  buildRoot: { kind: 'host' },
  executor: 'portage',
  channels: ['stable'],
  sets: {},
  portageFiles: {},
  recipes: {},
});
const V2 = 'mmx mmxext popcnt sse sse2 sse3 sse4_1 sse4_2 ssse3'.split(' ');
const SYSTEM: ObservedSystem = {
  release: null,
  releases: [],
  kernel: { running: '6.12.10-gentoo', installed: ['6.12.9-gentoo', '6.12.10-gentoo'] },
  bootId: 'x',
  cpuFlags: [...V2, 'aes'],
  services: [],
};

function observed(node: string, changes: Partial<ObservedNode> = {}): ObservedNode {
  return {
    node,
    reportedAt: NOW - 1000,
    profile: 'web',
    channel: 'stable',
    serial: 7,
    differs: 0,
    installedDigest: 'd',
    php: { active: null, resident: [] },
    system: SYSTEM,
    ...changes,
  };
}

function statusOf(...nodes: readonly ObservedNode[]) {
  const files = [{ name: 'f', text: sampleInventory('members = "web7-[01]"') }];
  const { inventory } = readInventory('toml', files, ['web']);
  return fleetStatus(inventory, new Map(nodes.map((one) => [one.node, one])), {
    now: NOW,
    freshSeconds: 3600,
    profileOf: (name) => (name === 'web' ? PROFILE : undefined),
  });
}

const system = (changes: Partial<ObservedSystem>) => ({ system: { ...SYSTEM, ...changes } });
const service = (isDeleted: boolean) => ({
  services: [
    { name: 'nginx', tree: null, files: [{ path: '/usr/lib64/libz.so.1', cpv: null, isDeleted }] },
  ],
});

describe('the status of the fleet', () => {
  it('has nothing to say of a node that is as published', () => {
    const { members, flags } = statusOf(observed('web7-01', system(service(false))));
    expect(flags).toEqual([]);
    expect(members.get('web7-01')).toEqual({
      state: 'as-published',
      note: 'web7-01 has publication 7 of web/stable.',
    });
  });

  it.each([
    ['differs', { differs: 3 }, 'has 3 packages that are not those of its publication'],
    ['differs', { serial: null }, 'has no publication of stable'],
    ['stale', { reportedAt: NOW - 3 * 3_600_000 }, 'has not reported for 3 hours'],
    [
      'other-profile',
      { profile: 'db' },
      'reports about the profile db, and the inventory says web',
    ],
    [
      'old-kernel',
      system({ kernel: { running: '6.12.9', installed: ['6.12.9', '6.12.10'] } }),
      'runs kernel 6.12.9, installed is 6.12.10',
    ],
    [
      'deleted-files',
      system(service(true)),
      'runs nginx with files that were replaced: /usr/lib64/libz.so.1',
    ],
    [
      'weak-processor',
      system({ cpuFlags: V2.filter((flag) => flag !== 'popcnt').concat('aes') }),
      'has a processor without popcnt, which -march=x86-64-v2 of web needs',
    ],
    [
      'weak-processor',
      system({ cpuFlags: V2 }),
      'has a processor without aes, which CPU_FLAGS_X86 of web names',
    ],
  ] as const)('flags a node that is %s', (kind, changes, rest) => {
    const { members, flags } = statusOf(observed('web7-01', changes));
    expect(flags).toEqual([{ node: 'web7-01', kind, sentence: `web7-01 ${rest}.` }]);
    expect(members.get('web7-01')?.state).toBe(kind);
  });

  it('names some of what is much, and counts the rest', () => {
    const files = Array.from({ length: 7 }, (_, at) => ({
      path: `/lib/${at}`,
      cpv: null,
      isDeleted: true,
    }));
    const { flags } = statusOf(
      observed('web7-01', system({ services: [{ name: 'fpm', tree: '8.4-r1', files }] })),
    );
    expect(flags.map(({ sentence }) => sentence)).toEqual([
      'web7-01 runs fpm of 8.4-r1 with files that were replaced: /lib/0, /lib/1, /lib/2, /lib/3, /lib/4 and 2 more.',
    ]);
  });

  it('says that a node may run more than it says, which is nothing against it', () => {
    const { members, flags } = statusOf(observed('web7-01', system({ isPartial: true })));
    expect(flags).toEqual([
      {
        node: 'web7-01',
        kind: 'partial',
        sentence: 'web7-01 does not report as root: services and files may be missing.',
      },
    ]);
    expect(members.get('web7-01')?.state).toBe('as-published');
  });

  it('judges no processor of which nothing is known, and names no flag twice', () => {
    expect(statusOf(observed('web7-01', system({ cpuFlags: [] }))).flags).toEqual([]);
    const other = { ...PROFILE, cpuFlags: ['popcnt', 'aes'] };
    const files = [{ name: 'f', text: sampleInventory('members = "web7-[01]"') }];
    const { inventory } = readInventory('toml', files, ['web']);
    const weak = observed('web7-01', system({ cpuFlags: V2.filter((one) => one !== 'popcnt') }));
    const { flags } = fleetStatus(inventory, new Map([['web7-01', weak]]), {
      now: NOW,
      freshSeconds: 3600,
      profileOf: () => other,
    });
    expect(flags.map(({ sentence }) => sentence.replace(/^.*without /, ''))).toEqual([
      'popcnt, which -march=x86-64-v2 of web needs.',
      'aes, which CPU_FLAGS_X86 of web names.',
    ]);
  });

  it('is silent for no longer than it may be', () => {
    const flags = [3600, 3601].map(
      (seconds) => statusOf(observed('web7-01', { reportedAt: NOW - seconds * 1000 })).flags,
    );
    expect(flags.map(({ length }) => length)).toEqual([0, 1]);
  });

  it('flags members that never reported, and nodes that are in no inventory', () => {
    const { members, flags } = statusOf(observed('stranger'));
    expect(flags.map(({ node, kind }) => [node, kind])).toEqual([
      ['web7-01', 'unreported'],
      ['stranger', 'unlisted'],
    ]);
    expect(members.get('web7-01')?.state).toBe('unreported');
  });

  it('shows the worst of several', () => {
    const { members } = statusOf(
      observed('web7-01', { differs: 1, ...system({ cpuFlags: ['sse'] }) }),
    );
    expect(members.get('web7-01')?.state).toBe('weak-processor');
  });

  it.each([
    ['6.9.1-gentoo', '6.12.1-gentoo'],
    ['6.12.1-rc3', '6.12.1'],
    ['6.12.1', '6.12.1-r1'],
  ])('kernel %s is older than %s', (older, newer) => {
    expect(compareKernels(older, newer)).toBeLessThan(0);
    expect(compareKernels(newer, older)).toBeGreaterThan(0);
  });
});
