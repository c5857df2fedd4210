import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { PackageRecord } from '../../../src/repository/package-record.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { newId } from '../../../src/support/ids.ts';
import { makeElf } from '../../binpkg/made-elf.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { finishedCheck } from '../finished-check.ts';
import { makePackage, makeProfile } from '../make-package.ts';
import { DEED, type Installation, openInstallation, push } from '../open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const testing = { ...DEED, profile: 'web', channel: 'testing' };
/** x86-64-v3, as `.note.gnu.property` has it. */
const ELF_V3 = makeElf({ isaBits: 4 });
let installation: Installation;
let repository: Repository;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  installation = await openInstallation(join(folder, newId('installation')), new ManualClock());
  ({ repository } = installation);
  setMarch('x86-64-v2');
});

afterEach(async () => {
  await installation.close();
});

function setMarch(march: string): void {
  installation.setProfiles([makeProfile('web', { flags: { CFLAGS: `-O2 -march=${march}` } })]);
}

async function add(cpv: string, content: Buffer | string = 'text'): Promise<PackageRecord> {
  return (await push(repository, await makePackage(made, cpv, { content }))).package;
}

async function findings(of = repository): Promise<unknown[]> {
  const asked = { profile: 'web', channel: 'testing', contents: 'newest' } as const;
  return (await of.check(asked)).findings.map(({ kind, message, rebuild }) => [
    kind,
    message,
    rebuild,
  ]);
}

const FOUND = [
  'instruction-set',
  'app-misc/a-1 has usr/share/a-1/content, which needs x86-64-v3; machines of the profile have -march=x86-64-v2 (x86-64-v2).',
  'app-misc/a:0',
];

describe('what the files of a package demand of a processor', () => {
  it('refuses a publication when the profile has less, whatever the recorded CFLAGS say', async () => {
    await add('app-misc/a-1', ELF_V3);
    await add('app-misc/b-1', makeElf({ isaBits: 2 }));
    await add('app-misc/c-1', makeElf());
    await expect(repository.publish(testing)).rejects.toMatchObject({
      code: 'publication-refused',
    });
    expect(await findings()).toEqual([FOUND]);
    for (const enough of ['x86-64-v3', 'znver4', 'native']) {
      setMarch(enough);
      expect([enough, await findings()]).toEqual([enough, []]);
    }
    setMarch('x86-64');
    expect(await findings()).toHaveLength(2);
  });

  it('is known of files of before once a deep check has read them', async () => {
    await add('app-misc/a-1', ELF_V3);
    await add('app-misc/b-1', ELF_V3);
    const keys = join(installation.folders.mirrorRoot, 'keys');
    await mkdir(keys);
    await writeFile(join(keys, 'rookery.asc'), installation.publicKey);
    const deep = { deep: true, all: false, maxAgeMs: 86_400_000 };
    await finishedCheck(installation.check, deep);
    await installation.database.deleteFrom('file_levels').execute();
    const reopened = installation.reopened();
    expect(await findings(reopened.repository)).toEqual([]);
    await finishedCheck(reopened.check, deep);
    expect(await findings(reopened.repository)).toEqual([
      FOUND,
      expect.arrayContaining(['app-misc/b:0']),
    ]);
  });

  it('goes with the file into another profile', async () => {
    const { path } = await add('app-misc/a-1', ELF_V3);
    installation.setProfiles([
      makeProfile('web'),
      makeProfile('v2', { flags: { CFLAGS: '-march=x86-64-v2' } }),
    ]);
    const signed = join(installation.folders.mirrorRoot, 'binhost/web/packages', path);
    await push(repository, signed, { profile: 'v2' });
    const asked = { profile: 'v2', channel: 'testing', contents: 'newest' } as const;
    const { findings: found } = await repository.check(asked);
    expect(found).toEqual([expect.objectContaining({ kind: 'instruction-set' })]);
  });
});
