/**
 * Repositories for measurements: rows and index entries as an import makes them, and for each package a file of a
 * few bytes, so that making 20,000 of them takes seconds. What is measured on them does not read package files.
 */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Database, openDatabase } from '../../src/database/database.ts';
import type { HardwareProfile } from '../../src/gentoo/profile.ts';
import type { RetentionPolicy } from '../../src/gentoo/retention-policy.ts';
import { Journal } from '../../src/journal/journal.ts';
import { createRepository } from '../../src/repository/create-repository.ts';
import { saveFileLevel } from '../../src/repository/file-level-store.ts';
import { makeStanza } from '../../src/repository/index-check.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { insertPackage } from '../../src/repository/package-store.ts';
import type { Repository } from '../../src/repository/repository.ts';
import type { Signer } from '../../src/signing/signer.ts';
import type { Clock } from '../../src/support/clock.ts';
import { DigestSet } from '../../src/support/digests.ts';
import { newId } from '../../src/support/ids.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { CHOST, describePackage } from './made-packages.ts';

export interface MadeRepository {
  readonly repository: Repository;
  /** Another object for the same, which remembers nothing. */
  readonly reopened: () => Repository;
  readonly database: Database;
  readonly mirrorRoot: string;
  /** Puts packages of these numbers in, of this build; one of a higher build replaces what was there. */
  readonly add: (numbers: readonly number[], build: number) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

/** As of a package without programs. */
const NO_LEVEL = { level: 0, path: '', content: null };
const FIRST_BUILD = 1_780_000_000;
/** Rows in a transaction. */
const CHUNK = 500;

export const PROFILE: HardwareProfile = {
  name: 'bench',
  description: 'Measurement',
  ancestors: [],
  arch: 'amd64',
  chost: CHOST,
  flags: { CFLAGS: '-O2' },
  cpuFlags: [],
  cpuFlagsVariable: 'CPU_FLAGS_X86',
  gentooProfile: 'gentoo:default/linux/amd64/23.0',
  use: [],
  features: [],
  makeopts: '-j2',
  buildRoot: { kind: 'host' },
  executor: 'source',
  channels: ['testing', 'stable'],
  sets: {},
  portageFiles: {},
  recipes: {},
  baseSystem: { packages: [], sonames: ['x86_64: libc.so.6'] },
};

/** A repository without packages. */
export async function makeRepository(
  folder: string,
  {
    signer,
    clock,
    needy = false,
    retention,
  }: {
    readonly signer: Signer;
    readonly clock: Clock;
    /** Packages need others, of the numbers below 1000. */
    readonly needy?: boolean;
    readonly retention?: RetentionPolicy;
  },
): Promise<MadeRepository> {
  const folders = { state: join(folder, 'state'), mirrorRoot: join(folder, 'mirror-root') };
  const packages = join(folders.mirrorRoot, 'binhost', PROFILE.name, 'packages');
  const database = await openDatabase(join(folders.state, 'rookery.sqlite'), clock);
  const profile = retention === undefined ? PROFILE : { ...PROFILE, retention };
  const reopened = (): Repository =>
    createRepository({
      database,
      clock,
      signer,
      folders,
      journal: new Journal(database, clock),
      log: silentLog(),
      locks: new Locks(),
      profiles: { list: () => [profile], broken: () => ({}), get: () => profile },
      maxUploadBytes: 1024 * 1024,
    });
  const repository = reopened();
  return {
    repository,
    reopened,
    database,
    mirrorRoot: folders.mirrorRoot,
    add: async (numbers, build) => {
      const records = numbers.map((number) => ({
        ...makeRecord(packages, { number, build, needy }),
        keyFingerprint: signer.fingerprint,
      }));
      for (let start = 0; start < records.length; start += CHUNK) {
        await database.transaction().execute(async (queries) => {
          for (const record of records.slice(start, start + CHUNK)) {
            await insertPackage(queries, record);
            await saveFileLevel(queries, record.sha512, NO_LEVEL);
          }
        });
      }
      return records.map(({ id }) => id);
    },
    close: async () => {
      await database.destroy();
    },
  };
}

/** Each number is in a slot of its own, so that a publication of everything shows them all. */
function makeRecord(
  packagesFolder: string,
  {
    number,
    build,
    needy,
  }: { readonly number: number; readonly build: number; readonly needy: boolean },
): PackageRecord {
  const { category, pn, pf, metadata } = describePackage(number);
  const slot = `${number % 3}/${metadata['SLOT'] ?? ''}`.replace('/0/', '/');
  const path = `${category}/${pn}/${pf}-${build}.gpkg.tar`;
  const bytes = Buffer.from(`package ${number}, build ${build}\n`);
  mkdirSync(dirname(join(packagesFolder, path)), { recursive: true });
  writeFileSync(join(packagesFolder, path), bytes);
  const mtimeSeconds = FIRST_BUILD + number * 60 + build + 30;
  utimesSync(join(packagesFolder, path), mtimeSeconds, mtimeSeconds);
  const set = new DigestSet(['md5', 'sha1', 'sha512']);
  set.update(bytes);
  const digests = set.finish();
  const buildTimeSeconds = FIRST_BUILD + number * 60 + build;
  const file = {
    cpv: `${category}/${pf}`,
    path,
    buildId: build,
    size: bytes.length,
    md5: digests.of('md5'),
    sha1: digests.of('sha1'),
    mtimeSeconds,
    metadata: {
      ...metadata,
      ...needsOf(number, needy ? 10 : 0),
      SLOT: slot,
      BUILD_TIME: String(buildTimeSeconds),
    },
  };
  return {
    ...file,
    id: newId('pkg'),
    profile: PROFILE.name,
    category,
    pn,
    slot,
    sha512: digests.of('sha512'),
    buildTimeSeconds,
    uploadSha512: digests.of('sha512'),
    keyFingerprint: '',
    inputs: null,
    origin: 'bench',
    stanza: makeStanza(file),
    importedAt: buildTimeSeconds * 1000,
  };
}

/** So many dependencies and sonames of other packages. */
function needsOf(number: number, length: number): Record<string, string> {
  const others = Array.from({ length }, (_, at) => describePackage((number * 7 + at * 131) % 1000));
  return {
    DEPEND: '',
    BDEPEND: '',
    PDEPEND: '',
    IDEPEND: '',
    RDEPEND: others.map(({ category, pn }) => `>=${category}/${pn}-0`).join(' '),
    REQUIRES: `x86_64: ${others.map(({ pn }) => `lib${pn}.so.1`).join(' ')} libc.so.6`,
    PROVIDES: `x86_64: lib${describePackage(number).pn}.so.1`,
  };
}
