import { appendFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PackageRecord } from '../../../src/repository/package-record.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { newId } from '../../../src/support/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makePackage, makeProfile, type PackageChanges } from '../make-package.ts';
import { DEED, type Installation, openInstallation, push } from '../open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const KEY = { profile: 'web', channel: 'testing' };
const OLD = { SLOT: '0/1', PROVIDES: 'x86_64: liblib.so.1' };
const NEW = { SLOT: '0/2', PROVIDES: 'x86_64: liblib.so.2' };
const USER = { RDEPEND: 'dev-libs/lib:0/1=', REQUIRES: 'x86_64: liblib.so.1 libc.so.6' };
const NEW_USER = { RDEPEND: 'dev-libs/lib:0/2=', REQUIRES: 'x86_64: liblib.so.2 libc.so.6' };
let clock: ManualClock;
let installation: Installation;
let repository: Repository;

beforeEach(async () => {
  clock = new ManualClock();
  await mkdir(made, { recursive: true });
  const baseSystem = { packages: [], sonames: ['x86_64: libc.so.6'] };
  installation = await openInstallation(join(folder, newId('installation')), clock, {
    profiles: [makeProfile('web', { baseSystem })],
  });
  ({ repository } = installation);
});

afterEach(async () => {
  await installation.close();
});

async function add(cpv: string, metadata: PackageChanges['metadata'] = {}): Promise<PackageRecord> {
  return (await push(repository, await makePackage(made, cpv, { metadata }))).package;
}

async function publish(packages: readonly PackageRecord[]): Promise<number> {
  const packageIds = packages.map(({ id }) => id);
  return (await repository.publish({ ...DEED, ...KEY, packageIds })).serial;
}

async function part(packages: readonly PackageRecord[], notOver?: number) {
  return await repository.partToPublish({
    ...KEY,
    packageIds: packages.map(({ id }) => id),
    ...(notOver === undefined ? {} : { notOver }),
  });
}

function idOf({ id }: PackageRecord): string {
  return id;
}

describe('the part of some packages that can be published', () => {
  it('is closed with what the channel has, and the gate lets it pass', async () => {
    const before = [
      await add('dev-libs/lib-1', OLD),
      await add('app-misc/stays-1', USER),
      await add('app-misc/a-1', USER),
    ];
    await publish(before);
    const lib = await add('dev-libs/lib-2', NEW);
    const a = await add('app-misc/a-2', NEW_USER);
    const free = await add('app-misc/free-1', { RDEPEND: 'dev-libs/lib' });

    const found = await part([lib, a, free, ...before]);

    expect(found).toMatchObject({ serial: 1, packageIds: [free.id] });
    expect(found.leftOut.map(({ cpv, reason }) => `${cpv}: ${reason}`).toSorted()).toEqual([
      'app-misc/a-2: app-misc/a-2 was built against dev-libs/lib:0/2= (RDEPEND), but there is dev-libs/lib-1:0/1. Left out as well: dev-libs/lib-2.',
      'dev-libs/lib-2: It would break app-misc/stays-1, which stays as it is. app-misc/stays-1 was built against dev-libs/lib:0/1= (RDEPEND), but there is dev-libs/lib-2:0/2.',
    ]);
    await expect(publish([lib, a, free])).rejects.toMatchObject({ code: 'publication-refused' });
    expect(await publish([free])).toBe(2);

    const stays = await add('app-misc/stays-1', NEW_USER);
    const all = await part([lib, a, stays]);
    expect(all.leftOut).toEqual([]);
    expect(new Set(all.packageIds)).toEqual(new Set([lib, a, stays].map(idOf)));
    expect(await publish([lib, a, stays])).toBe(3);
  });

  it('is without what is damaged', async () => {
    const [good, bad] = [await add('app-misc/good-1'), await add('app-misc/bad-1')];
    appendFileSync(join(installation.folders.mirrorRoot, 'binhost/web/packages', bad.path), 'x');
    const found = await part([good, bad]);
    expect(found.packageIds).toEqual([good.id]);
    expect(found.leftOut[0]?.reason).toContain(`The file ${bad.path} of app-misc/bad-1 has`);
  });

  it('takes the place of nothing that is newer than it may be', async () => {
    const [old, other] = [await add('app-misc/a-1'), await add('app-misc/b-1')];
    const ended = clock.now();
    clock.advance(60_000);
    await publish([await add('app-misc/a-2'), await add('app-misc/c-1')]);
    const found = await part([old, other], ended);
    expect(found.packageIds).toEqual([other.id]);
    expect(found.leftOut).toEqual([
      expect.objectContaining({
        cpv: 'app-misc/a-1',
        reason: 'testing has got app-misc/a-2 (build 1) since the request ended.',
      }),
    ]);
    expect((await part([old, other])).leftOut).toEqual([]);
  });
});

describe('what has to be built again', () => {
  it('loses a sub-slot or a library by what comes, and only what does not come itself', async () => {
    const before = [
      await add('dev-libs/lib-1', OLD),
      await add('app-misc/by-slot-1', { RDEPEND: 'dev-libs/lib:0/1=' }),
      await add('app-misc/by-name-1', { REQUIRES: 'x86_64: liblib.so.1' }),
      await add('app-misc/free-1', { RDEPEND: 'dev-libs/lib' }),
    ];
    await publish(before);
    const ask = async (
      planned: readonly { readonly cpv: string; readonly slot: string }[],
      packages: readonly PackageRecord[] = [],
    ) => await repository.toRebuild({ ...KEY, packageIds: packages.map(idOf), planned });
    const bySlot = {
      atom: 'app-misc/by-slot:0',
      cpv: 'app-misc/by-slot-1',
      because: 'it was built against dev-libs/lib:0/1=, and dev-libs/lib-2 has 0/2',
    };
    const lib = { cpv: 'dev-libs/lib-2', slot: '0/2' };

    expect(await ask([lib])).toEqual([bySlot]);
    expect(await ask([lib, { cpv: 'app-misc/by-slot-3', slot: '0' }])).toEqual([]);
    expect(await ask([{ ...lib, slot: '0/1' }])).toEqual([]);
    expect(await ask([{ ...lib, slot: '2/2' }])).toEqual([]);

    const byName = {
      atom: 'app-misc/by-name:0',
      cpv: 'app-misc/by-name-1',
      because: 'liblib.so.1 is gone from dev-libs/lib-2',
    };
    const next = await add('dev-libs/lib-2', NEW);
    expect(await ask([], [next])).toEqual([byName, bySlot]);
    const same = await add('dev-libs/lib-1.1', OLD);
    expect(await ask([], [same])).toEqual([]);
    const silent = await add('dev-libs/lib-1.2', { SLOT: '0/1' });
    expect(await ask([], [silent])).toEqual([
      { ...byName, because: 'liblib.so.1 is gone from dev-libs/lib-1.2' },
    ]);
    const asked = { ...KEY, packageIds: [silent.id], planned: [], changed: [] };
    expect(await repository.toRebuild(asked)).toEqual([]);
  });

  it('is not what lacks that already, nor what the channel is allowed to lack', async () => {
    const lib = await add('dev-libs/lib-1', OLD);
    const broken = await add('app-misc/broken-1', { REQUIRES: 'x86_64: libgone.so.1' });
    const packageIds = [lib.id, broken.id];
    const check = { ...DEED, ...KEY, packageIds };
    const refused = await repository.publish(check).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'publication-refused' });
    const [finding] = (await repository.check({ ...KEY, contents: 'newest' })).findings;
    await repository.publish({ ...check, allow: [finding?.id ?? ''] });
    const next = await add('dev-libs/lib-2', NEW);
    expect(await repository.toRebuild({ ...KEY, packageIds: [next.id], planned: [] })).toEqual([]);
  });
});
