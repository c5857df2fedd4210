import {
  appendFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { JudgedFinding } from '../../../src/repository/gate/pass-gate.ts';
import type { PackageRecord } from '../../../src/repository/package-record.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { type AppError, isAppError } from '../../../src/support/errors.ts';
import { newId } from '../../../src/support/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makePackage, makeProfile, type PackageChanges } from '../make-package.ts';
import { DEED, type Installation, openInstallation, PROFILES, push } from '../open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const testing = { ...DEED, profile: 'web', channel: 'testing' };
const stable = { ...DEED, profile: 'web', channel: 'stable', force: true };
const LIBC = { packages: [], sonames: ['x86_64: libc.so.6'] };
let clock: ManualClock;
let installation: Installation;
let repository: Repository;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  clock = new ManualClock();
  await open([makeProfile('web', { baseSystem: LIBC })]);
});

afterEach(async () => {
  await installation.close();
});

async function open(profiles: typeof PROFILES): Promise<void> {
  const place = join(folder, newId('installation'));
  installation = await openInstallation(place, clock, { profiles });
  ({ repository } = installation);
}

async function add(cpv: string, metadata: PackageChanges['metadata'] = {}): Promise<PackageRecord> {
  return (await push(repository, await makePackage(made, cpv, { metadata }))).package;
}

/** What the gate refuses with. */
async function refusal(work: Promise<unknown>): Promise<AppError & { findings: JudgedFinding[] }> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isAppError(error, 'publication-refused')) {
    throw new Error('the gate has let it pass', { cause: error });
  }
  const findings = error.details['findings'];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the gate puts there
  return Object.assign(error, { findings: findings as JudgedFinding[] });
}

async function serials(channel: string): Promise<number[]> {
  return (await repository.publications('web', channel, 100)).map(({ serial }) => serial);
}

describe('a publication', () => {
  it('is refused for everything that is missing, and nothing of it is published', async () => {
    await add('app-misc/a-1', { RDEPEND: 'dev-libs/none:0/2=', REQUIRES: 'x86_64: libc.so.6' });
    await add('app-misc/b-1', { PDEPEND: 'app-misc/a', REQUIRES: 'x86_64: libnone.so.1' });
    const { message, findings } = await refusal(repository.publish(testing));
    expect(findings.map(({ kind, cpv, verdict }) => [kind, cpv, verdict])).toEqual([
      ['dependency-missing', 'app-misc/a-1', 'refused'],
      ['soname-missing', 'app-misc/b-1', 'refused'],
    ]);
    expect(message).toContain('2 findings speak against publishing this on testing of web.');
    expect(message).toContain('app-misc/a-1 needs dev-libs/none:0/2=');
    expect(await serials('testing')).toEqual([]);
    await add('dev-libs/none-1', { SLOT: '0/2', PROVIDES: 'x86_64: libnone.so.1' });
    expect((await repository.publish(testing)).serial).toBe(1);
  });

  it('that changes a library says which packages have to be rebuilt', async () => {
    await add('dev-libs/lib-1', { SLOT: '0/1', PROVIDES: 'x86_64: liblib.so.1' });
    await add('app-misc/a-1', {
      RDEPEND: 'dev-libs/lib:0/1=',
      REQUIRES: 'x86_64: liblib.so.1 libc.so.6',
    });
    await repository.publish(testing);
    const lib = await add('dev-libs/lib-2', { SLOT: '0/2', PROVIDES: 'x86_64: liblib.so.2' });
    const { details, findings } = await refusal(
      repository.publish({ ...testing, packageIds: [lib.id] }),
    );
    expect(findings.map(({ kind }) => kind)).toEqual(['slot-operator-broken', 'soname-missing']);
    expect(details['rebuild']).toEqual(['app-misc/a:0']);
    const asked = { profile: 'web', channel: 'testing', contents: 'newest' } as const;
    expect((await repository.check(asked)).rebuild).toEqual(['app-misc/a:0']);
    await add('app-misc/a-1', { RDEPEND: 'dev-libs/lib:0/2=', REQUIRES: 'x86_64: liblib.so.2' });
    expect(await repository.check(asked)).toEqual({ findings: [], rebuild: [] });
    expect((await repository.publish(testing)).serial).toBe(2);
  });

  it('lets single findings pass for a reason, for as long as they last, and keeps that', async () => {
    await add('app-misc/a-1', { RDEPEND: 'dev-libs/one dev-libs/two' });
    const { findings } = await refusal(repository.publish(testing));
    const ids = findings.map(({ id }) => id);
    const [one = '', two = ''] = ids;
    const half = await refusal(repository.publish({ ...testing, allow: [one] }));
    expect(half.findings.map(({ id }) => id)).toEqual([two]);
    await expect(repository.publish({ ...testing, allow: ids, reason: ' ' })).rejects.toMatchObject(
      { code: 'reason-required' },
    );
    await expect(
      repository.publish({ ...testing, allow: [...ids, 'soname-missing-0'] }),
    ).rejects.toMatchObject({ code: 'unknown-finding' });
    const first = await repository.publish({ ...testing, allow: ids, reason: 'on every node' });
    await add('app-misc/a-2', { RDEPEND: 'dev-libs/one dev-libs/two' });
    const second = await repository.publish(testing);
    await repository.promote(stable);
    const kept = [
      { findingId: one, reason: 'on every node', author: DEED.author },
      { findingId: two, reason: 'on every node', author: DEED.author },
    ];
    for (const publication of [first, second, { ...second, channel: 'stable', serial: 1 }]) {
      const allowances = await repository.allowances(publication);
      expect(allowances).toMatchObject(kept);
    }
    const [event] = await installation.journal.latest(1);
    expect(event?.data['allowed']).toEqual([
      expect.objectContaining({ id: one }),
      expect.objectContaining({ id: two }),
    ]);
    await add('dev-libs/one-1');
    const third = await repository.publish(testing);
    expect((await repository.allowances(third)).map(({ findingId }) => findingId)).toEqual([two]);
    const withoutOne = await add('app-misc/a-3', { RDEPEND: 'dev-libs/two' });
    const now = { ...testing, packageIds: [withoutOne.id] };
    expect((await repository.publish(now)).serial).toBe(4);
  });

  it.each(['file-missing', 'file-changed'] as const)('is refused with %s', async (kind) => {
    const { path } = await add('app-misc/a-1');
    const file = join(installation.folders.mirrorRoot, 'binhost/web/packages', path);
    if (kind === 'file-missing') {
      rmSync(file);
    } else {
      appendFileSync(file, 'x');
    }
    const { findings } = await refusal(repository.publish(testing));
    expect(findings).toEqual([expect.objectContaining({ kind, cpv: 'app-misc/a-1' })]);
    expect(findings[0]?.message).toContain(path);
  });

  it.each([
    ['deleted', 'file-missing'],
    ['cut off in place', 'file-changed'],
    ['replaced by another', 'file-changed'],
    ['replaced by a link', 'file-missing'],
    ['lost with its folder', 'file-missing'],
  ])('is refused when a file that is published already was %s since', async (what, kind) => {
    const { path } = await add('app-misc/a-1');
    await repository.publish(testing);
    const file = join(installation.folders.mirrorRoot, 'binhost/web/packages', path);
    if (what === 'cut off in place') {
      truncateSync(file, 10);
    } else if (what === 'replaced by another') {
      writeFileSync(`${file}.new`, 'another');
      renameSync(`${file}.new`, file);
    } else if (what === 'lost with its folder') {
      rmSync(dirname(file), { recursive: true });
      writeFileSync(dirname(file), '');
    } else {
      rmSync(file);
      if (what === 'replaced by a link') {
        symlinkSync('/dev/null', file);
      }
    }
    const { id } = await add('app-misc/b-1');
    const { findings } = await refusal(repository.publish({ ...testing, packageIds: [id] }));
    expect(findings).toEqual([expect.objectContaining({ kind, cpv: 'app-misc/a-1' })]);
    expect(await serials('testing')).toEqual([1]);
  });

  it('is refused when a file has another time: it is not the one that was signed', async () => {
    const { path } = await add('app-misc/a-1');
    utimesSync(join(installation.folders.mirrorRoot, 'binhost/web/packages', path), 5, 5);
    const { findings } = await refusal(repository.publish(testing));
    expect(findings[0]?.message).toMatch(/has \d+ bytes of 5, not \d+ of \d+/);
  });

  it('is refused when a package was signed with a key that is none of today', async () => {
    const { id } = await add('app-misc/a-1');
    await installation.database
      .updateTable('packages')
      .set({ key_fingerprint: 'F'.repeat(40) })
      .where('id', '=', id)
      .execute();
    const { findings } = await refusal(repository.publish(testing));
    expect(findings).toEqual([expect.objectContaining({ kind: 'key-not-current' })]);
  });

  it('is refused when packages were compiled for another processor than the profile has now', async () => {
    await add('app-misc/a-1', { CFLAGS: '-O2 -march=x86-64-v3' });
    const [web] = PROFILES;
    const lower = makeProfile('web', { flags: { CFLAGS: '-O2 -march=x86-64-v2' } });
    installation.setProfiles([lower]);
    const { findings } = await refusal(repository.publish(testing));
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'instruction-set', rebuild: 'app-misc/a:0' }),
    ]);
    installation.setProfiles([web ?? lower]);
    expect((await repository.publish(testing)).serial).toBe(1);
  });

  it('is refused when too many packages would be gone', async () => {
    const all = [];
    for (let at = 0; at < 24; at += 1) {
      all.push(await add(`app-misc/p${at}-1`));
    }
    await repository.publish(testing);
    await repository.promote(stable);
    installation.setProfiles([makeProfile('web', { channels: ['fresh', 'testing', 'stable'] })]);
    const few = all.slice(0, 20).map(({ id }) => id);
    const fresh = { ...testing, channel: 'fresh' };
    await repository.publish({ ...fresh, packageIds: few });
    const promote = { ...testing, force: true, from: 'fresh' };
    const { findings } = await refusal(repository.promote(promote));
    expect(findings[0]).toMatchObject({
      kind: 'count-dropped',
      message: '4 of 24 packages would be gone, more than 10 % (gate.max-package-drop).',
    });
    const looser = { channels: ['fresh', 'testing', 'stable'], gate: { maxPackageDrop: 0.2 } };
    installation.setProfiles([makeProfile('web', looser)]);
    expect((await repository.promote(promote)).serial).toBe(2);
  });

  it('tells findings of kinds that the profile only warns of, and goes on', async () => {
    await add('app-misc/a-1', { RDEPEND: 'dev-libs/none' });
    installation.setProfiles([makeProfile('web', { gate: { warn: ['dependency-missing'] } })]);
    expect((await repository.publish(testing)).serial).toBe(1);
    const [event] = await installation.journal.latest(1);
    expect(event?.data['warnings']).toHaveLength(1);
    const { findings } = await repository.check({ profile: 'web', channel: 'testing' });
    expect(findings).toEqual([expect.objectContaining({ verdict: 'warning' })]);
  });

  it('lets the same offence of two slots and of two versions pass, each slot by its own id', async () => {
    const needs = { RDEPEND: 'dev-libs/none dev-libs/none' };
    const all = [
      await add('dev-lang/php-8.3.1', { ...needs, SLOT: '8.3' }),
      await add('dev-lang/php-8.4.1', { ...needs, SLOT: '8.4' }),
      await add('dev-lang/php-8.4.2', { ...needs, SLOT: '8.4' }),
    ];
    const now = { ...testing, packageIds: all.map(({ id }) => id) };
    const { findings } = await refusal(repository.publish(now));
    const ids = findings.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    expect(ids).toHaveLength(2);
    const half = await refusal(repository.publish({ ...now, allow: ids.slice(0, 1) }));
    expect(half.findings.map(({ id }) => id)).toEqual(ids.slice(1));
    const publication = await repository.publish({ ...now, allow: ids });
    expect(await repository.allowances(publication)).toHaveLength(2);
  });

  it('keeps what was let pass when it is gone back to', async () => {
    await add('app-misc/a-1', { RDEPEND: 'dev-libs/none' });
    const { findings } = await refusal(repository.publish(testing));
    const allow = findings.map(({ id }) => id);
    const first = await repository.publish({ ...testing, allow });
    const fixed = await add('app-misc/a-2');
    await repository.publish({ ...testing, packageIds: [fixed.id] });
    const back = await repository.rollback(testing);
    const kept = await repository.allowances(first);
    expect(kept).toHaveLength(1);
    expect(await repository.allowances(back)).toEqual(
      kept.map((one) => ({ ...one, serial: back.serial })),
    );
    const other = await add('app-misc/b-1');
    const next = await repository.publish({ ...testing, packageIds: [other.id] });
    expect(await repository.allowances(next)).toHaveLength(1);
  });

  it('heeds the share that a profile gives among few packages too, and each drop for itself', async () => {
    const three = { channels: ['fresh', 'testing', 'stable'], gate: { maxPackageDrop: 0 } };
    installation.setProfiles([makeProfile('web', three)]);
    const all: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      all.push((await add(`app-misc/${name}-1`)).id);
    }
    const show = async (count: number, channel: string): Promise<unknown> =>
      await repository.publish({
        ...testing,
        channel,
        force: true,
        packageIds: all.slice(0, count),
      });
    await show(4, 'testing');
    await show(2, 'fresh');
    const promote = { ...testing, force: true, from: 'fresh' };
    const [drop] = (await refusal(repository.promote(promote))).findings;
    expect(drop?.message).toContain('2 of 4 packages would be gone');
    await repository.promote({ ...promote, allow: [drop?.id ?? ''] });
    installation.setProfiles([
      makeProfile('web', { ...three, channels: ['less', ...three.channels] }),
    ]);
    await show(1, 'less');
    const again = await refusal(repository.promote({ ...promote, from: 'less' }));
    expect(again.findings).toEqual([expect.objectContaining({ kind: 'count-dropped' })]);
  });

  it('of yesterday can always be had again', async () => {
    await add('app-misc/a-1', { CFLAGS: '-O2 -march=x86-64-v3' });
    await repository.publish(testing);
    await add('app-misc/b-1');
    await repository.publish(testing);
    const lower = { flags: { CFLAGS: '-O2 -march=x86-64-v2' } };
    installation.setProfiles([makeProfile('web', lower)]);
    await refusal(repository.publish(testing));
    expect((await repository.rollback(testing)).serial).toBe(3);
  });
});
