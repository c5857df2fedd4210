import { describe, expect, it } from '@jest/globals';
import { readProfileDocument } from '../../src/gentoo/profile-document.ts';
import { resolveProfiles } from '../../src/gentoo/resolve-profile.ts';
import {
  formatWork,
  type ScheduleDocument,
  scheduledWorkSchema,
} from '../../src/gentoo/schedule-policy.ts';
import { COMPLETE, sourceOf } from './profile-samples.ts';

const NIGHTLY: ScheduleDocument = {
  cron: '30 2 * * *',
  'time-zone': 'Europe/Berlin',
  do: 'request',
  atoms: ['@world'],
};

function faultsOf(change: Readonly<Record<string, unknown>>): readonly string[] {
  const nightly = Object.fromEntries(
    Object.entries({ ...NIGHTLY, ...change }).filter(([, value]) => value !== undefined),
  );
  const document = { ...COMPLETE, schedule: { nightly } };
  const read = readProfileDocument(document, 'web/profile.toml');
  return read.document === undefined
    ? read.faults
    : (resolveProfiles([sourceOf('web', read.document)]).broken['web'] ?? []);
}

describe('a schedule of a profile', () => {
  it('has defaults, and is merged key by key with what the profile extends', () => {
    const { profiles, broken } = resolveProfiles([
      sourceOf('base', {
        ...COMPLETE,
        schedule: { nightly: NIGHTLY, weekly: { ...NIGHTLY, jitter: '1h' } },
      }),
      sourceOf('web', {
        extends: 'base',
        schedule: { nightly: { publish: 'testing' }, weekly: { enabled: false } },
      }),
    ]);
    expect(broken).toEqual({});
    const [base, web] = profiles;
    expect(Object.keys(base?.schedules ?? {})).toEqual(['nightly', 'weekly']);
    expect(base?.schedules?.['weekly']?.jitterMs).toBe(3_600_000);
    expect(web?.schedules).toEqual({
      nightly: {
        cron: '30 2 * * *',
        timeZone: 'Europe/Berlin',
        jitterMs: 0,
        graceMs: 900_000,
        missed: 'run-once',
        work: {
          do: 'request',
          atoms: ['@world'],
          publish: 'testing',
          partial: false,
          rebuildFor: null,
          sync: false,
          rebuild: false,
          resolve: [],
          retry: false,
          priority: 0,
        },
      },
    });
  });

  it.each([
    [
      { cron: '61 2 * * *' },
      'schedule.nightly.cron = "61 2 * * *": it has to be a cron expression',
    ],
    [{ cron: '* * *' }, 'this has 3 fields'],
    [{ 'time-zone': 'Europe/Berlim' }, 'time-zone = "Europe/Berlim": it has to be a time zone'],
    [{ jitter: 'soon' }, 'jitter = "soon": it has to be a whole number and one of s, m, h, d'],
    [{ missed: 'later' }, 'missed = "later"'],
    [{ atoms: [] }, 'needs at least one atom'],
    [{ atoms: ['@wrld'] }, '"@wrld": there is no such set. Did you mean "@world"?'],
    [{ atoms: ['not an atom'] }, '"not an atom" names no package'],
    [
      { publish: 'tetsing' },
      'publish = "tetsing": there is no such channel. Did you mean "testing"?',
    ],
    [{ publish: 'stable' }, 'publish = "stable": this channel needs proof'],
    [{ partial: true }, 'partial = true: a part can only be published on a channel: give publish'],
    [
      { atoms: undefined, 'rebuild-for': 'tetsing' },
      'rebuild-for = "tetsing": there is no such channel. Did you mean "testing"?',
    ],
    [{ 'rebuild-for': 'testing' }, 'rebuild-for = "testing": it names all that is built'],
    [{ atoms: undefined }, 'atoms is missing: do = "request" needs it, or rebuild-for'],
    [
      { do: 'collect', atoms: undefined, sync: true },
      'sync = true: do = "collect" does not know it',
    ],
    [{ priority: 11 }, 'priority = 11: it has to be a whole number from -10 to 10'],
    [
      { resolve: ['newuse', 'depp'] },
      '"depp": it has to be "update" or "deep" or "newuse". Did you mean "deep"?',
    ],
    [{ deep: true }, 'deep = true: do = "request" does not know it'],
    [{ do: 'check' }, 'atoms = ["@world"]: do = "check" does not know it'],
    [{ crom: 'x' }, 'schedule.nightly.crom = "x": there is no such key'],
  ])('%j is refused', (change, sentence) => {
    const faults = faultsOf(change);
    expect(faults.join('\n')).toContain(sentence);
    expect(faults.every((fault) => fault.startsWith('web/profile.toml: schedule.nightly'))).toBe(
      true,
    );
  });

  it.each<[Partial<ScheduleDocument>, string]>([
    [{ resolve: ['update'] }, 'resolve = ["update"]: executor = "source" builds recipes'],
    [{ sync: true }, 'sync = true: executor = "source" builds recipes, not ebuilds'],
  ])('of recipes may not have %j', (change, sentence) => {
    const schedule = { nightly: { ...NIGHTLY, ...change } };
    const document = { ...COMPLETE, executor: 'source', schedule } as const;
    const { broken } = resolveProfiles([sourceOf('web', document)]);
    expect(broken['web']?.join('\n')).toContain(`web/profile.toml: schedule.nightly.${sentence}`);
  });

  it('may be what an older Rookery has written', () => {
    const older = { atoms: ['@world'], publish: null, rebuild: false, retry: false, priority: 0 };
    expect(scheduledWorkSchema.parse({ do: 'request', ...older })).toEqual({
      do: 'request',
      ...older,
      resolve: [],
      partial: false,
      rebuildFor: null,
      sync: false,
    });
  });

  it('says in words what it does', () => {
    const change = { publish: 'testing', partial: true, sync: true };
    const { atoms: _atoms, ...gate } = { ...NIGHTLY, 'rebuild-for': 'testing' };
    const schedule = { nightly: { ...NIGHTLY, ...change }, gate };
    const { profiles } = resolveProfiles([sourceOf('web', { ...COMPLETE, schedule })]);
    const { nightly, gate: weekly } = profiles[0]?.schedules ?? {};
    expect([nightly, weekly].map((one) => one && formatWork(one.work))).toEqual([
      'syncs the ebuild trees, builds @world and publishes at least a part on testing',
      'rebuilds what the gate of testing wants',
    ]);
  });

  it.each(['cron', 'time-zone', 'do'])('needs %s', (key) => {
    const rest = Object.fromEntries(Object.entries(NIGHTLY).filter(([name]) => name !== key));
    const { broken } = resolveProfiles([
      sourceOf('web', { ...COMPLETE, schedule: { nightly: rest } }),
    ]);
    expect(broken['web']?.[0]).toContain(`schedule.nightly.${key} is missing`);
  });

  it('has a name that can stand in a URL', () => {
    const read = readProfileDocument({ ...COMPLETE, schedule: { 'A b': NIGHTLY } }, 'f');
    expect(read.faults.join()).toContain('with a name of small letters');
  });
});
