import { describe, expect, it } from '@jest/globals';
import type { DifferenceView } from '../../src/protocol/difference.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { runProgram } from './run-program.ts';
import { publicationView } from './sample-views.ts';

stopFarmServersAfterEach();

const NOTHING = { added: [], removed: [] };

function differenceView(values: Partial<DifferenceView> = {}): DifferenceView {
  return {
    profile: 'web-v3',
    from: publicationView({ channel: 'stable', serial: 3 }),
    to: publicationView({ channel: 'testing', serial: 12 }),
    counts: { added: 1, removed: 0, up: 1, down: 0, rebuilt: 0 },
    sizeChange: -2048,
    changes: [
      {
        kind: 'up',
        name: 'dev-lang/php',
        slot: '8.4',
        before: { id: 'p1', cpv: 'dev-lang/php-8.4.1', buildId: 2, size: 9000 },
        after: { id: 'p2', cpv: 'dev-lang/php-8.4.2-r1', buildId: 1, size: 3856 },
        use: { added: ['jit'], removed: ['zip'] },
        sonames: { added: [], removed: ['x86_64: libphp.so'] },
        sizeChange: -5144,
      },
      {
        kind: 'added',
        name: 'app-misc/new',
        slot: '0',
        before: null,
        after: { id: 'p3', cpv: 'app-misc/new-1', buildId: 1, size: 3096 },
        use: NOTHING,
        sonames: NOTHING,
        sizeChange: 3096,
      },
    ],
    ...values,
  };
}

async function diff(server: FarmServer, ...words: readonly string[]): Promise<string> {
  const given = { env: { ROOKERY_SERVER: server.url }, cwd: '/' };
  const { code, stdout, stderr } = await runProgram(['channel', 'diff', 'web-v3', ...words], given);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

describe('channel diff', () => {
  it('lists what is different, package by package', async () => {
    const server = await startFarmServer();
    server.answer('GET /api/profiles/web-v3/diff', differenceView());
    expect(await diff(server, 'stable@3', 'testing')).toBe(
      [
        'stable@3 -> testing@12',
        '2 packages: 1 added, 1 up; -2.0 KiB',
        '',
        'CHANGE  PACKAGE           BEFORE     AFTER             SIZE  USE, SONAMES',
        'up      dev-lang/php:8.4  8.4.1 (2)  8.4.2-r1 (1)  -5.0 KiB  +jit -zip -x86_64: libphp.so',
        'added   app-misc/new      -          1 (1)         +3.0 KiB',
        '',
      ].join('\n'),
    );
    expect(Object.fromEntries(server.seen.at(-1)?.query ?? [])).toEqual({
      from: 'stable@3',
      to: 'testing',
    });
  });

  it('says so when nothing is, or when a channel shows nothing yet', async () => {
    const server = await startFarmServer();
    const counts = { added: 0, removed: 0, up: 0, down: 0, rebuilt: 0 };
    const view = differenceView({ from: null, counts, changes: [], sizeChange: 0 });
    server.answer('GET /api/profiles/web-v3/diff', view);
    expect(await diff(server, 'stable', 'testing')).toBe(
      'stable (nothing yet) -> testing@12\nThe same packages.\n',
    );
    expect(JSON.parse(await diff(server, 'stable', 'testing', '--json'))).toEqual(view);
  });

  it.each([
    ['stable', 'testing'],
    ['testing', 'testing'],
    ['stable@2', 'testing'],
  ])('of %s alone takes the channel before it', async (from, to) => {
    const server = await startFarmServer();
    server.answer('GET /api/profiles', {
      profiles: [
        {
          name: 'web-v3',
          description: '',
          arch: 'amd64',
          chost: 'x86_64-pc-linux-gnu',
          executor: 'portage',
          channels: ['testing', 'stable'],
          makeConf: '',
        },
      ],
      broken: {},
    });
    server.answer('GET /api/profiles/web-v3/diff', differenceView());
    await diff(server, from);
    expect(Object.fromEntries(server.seen.at(-1)?.query ?? [])).toEqual({ from, to });
  });
});
