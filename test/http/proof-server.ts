import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Tokens } from '../../src/access/tokens.ts';
import { CompilerCache } from '../../src/builds/compiler-cache.ts';
import { Scheduler } from '../../src/builds/schedule/scheduler.ts';
import { createFleetImpacts } from '../../src/fleet/impact/fleet-impacts.ts';
import { Inventories } from '../../src/fleet/inventory/inventories.ts';
import type { InventoryRevision } from '../../src/fleet/inventory/inventory-store.ts';
import { observedNodes } from '../../src/fleet/observed/observed-store.ts';
import { Standings } from '../../src/fleet/status/standings.ts';
import { createRequestListener } from '../../src/http/listener.ts';
import type { FarmKeys } from '../../src/keys/farm-keys.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { PublicationRecord } from '../../src/repository/publication.ts';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import { type Clock, systemClock } from '../../src/support/clock.ts';
import { DiskSpace } from '../../src/support/disk-space.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { openTestRollouts, type TestRollouts } from '../fleet/rollout/test-rollouts.ts';
import { openTestKeyring, openTestKeys } from '../keys/open-test-keys.ts';
import { openTestPhp } from '../php/open-test-php.ts';
import { catalogOf, makePackage, type PackageChanges } from '../repository/make-package.ts';
import {
  DEED,
  type Installation,
  openInstallation,
  PROFILES,
  push,
} from '../repository/open-installation.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { FakeBuilds } from './fake-builds.ts';
import { FakeRepository } from './fake-repository.ts';
import { NOBODY } from './no-balancers.ts';
import { listenOnFreePort } from './test-server.ts';

/** A real repository, with real tokens, behind the real listener. */
export interface ProofServer<C extends Clock = ManualClock> {
  readonly url: string;
  readonly clock: C;
  readonly installation: Installation;
  readonly tokens: Tokens;
  readonly keyring: Keyring;
  readonly keys: FarmKeys;
  readonly add: (cpv: string, changes?: PackageChanges) => Promise<PackageRecord>;
  readonly publish: () => Promise<PublicationRecord>;
  /** In TOML; all of it, as the first or the next revision. */
  readonly importInventory: (text: string) => Promise<InventoryRevision>;
  /** Rollouts; the engine is not started. */
  readonly engine: TestRollouts;
  readonly close: () => Promise<void>;
}

/** For the profile `web` of `PROFILES`. */
export async function startProofServer(
  folder: string,
  clock = new ManualClock(systemClock.now()),
): Promise<ProofServer> {
  return await openProofServer(folder, clock);
}

/** The same with any clock; rollouts wait by it when it is that of a simulation. */
export async function openProofServer<C extends Clock>(
  folder: string,
  clock: C,
  engineOptions: Parameters<typeof openTestRollouts>[1] = {},
): Promise<ProofServer<C>> {
  const installation = await openInstallation(folder, clock);
  const { database, journal, repository, check, collection, proofs, folders } = installation;
  const tokens = new Tokens(database, journal, clock);
  const keyring = await openTestKeyring(folder, clock);
  const keys = await openTestKeys(folder, { clock, journal, keyring });
  const builds = new FakeBuilds({ clock, journal, repository: new FakeRepository(clock) });
  const profiles = catalogOf(PROFILES);
  const made = join(folder, 'made');
  await mkdir(made);
  const inventories = new Inventories({ database, journal, clock, profiles });
  const locks = new Locks();
  const impacts = createFleetImpacts({
    database,
    profiles,
    locks,
    folders,
    observed: async () => [...(await observedNodes(database)).values()],
  });
  const php = openTestPhp({ clock, journal, keyring, folder });
  const engine = openTestRollouts(
    { database, journal, inventories, profiles, impacts, php, folders },
    engineOptions,
  );
  const stopping = new AbortController();
  let url = '';
  const server = createServer(
    createRequestListener({
      profiles,
      repository,
      php,
      check,
      collection,
      keys,
      resign: installation.resign,
      proofs,
      inventories,
      rollouts: engine.rollouts,
      standings: new Standings({ database, inventories, profiles, clock, balancers: NOBODY }),
      impacts,
      builds,
      schedules: new Scheduler({
        database,
        journal,
        clock,
        profiles,
        builds,
        check,
        log: silentLog(),
        locks: new Locks(),
        retention: repository.retention,
      }),
      records: builds.records,
      compilerCache: new CompilerCache({
        folder: join(folders.state, 'ccache'),
        locks: new Locks(),
        space: new DiskSpace([], 0),
      }),
      tokens,
      journal,
      get publicKey() {
        return keys.publicKeys();
      },
      get fingerprint() {
        return keys.fingerprint();
      },
      log: silentLog(),
      clock,
      heartbeatMs: 5000,
      folders: { mirrorRoot: folders.mirrorRoot, staging: join(folders.state, 'staging') },
      publicUrl: () => url,
      phpUrl: 'rsync://127.0.0.1:9/php',
      isPublicUrlKnown: () => true,
      readiness: async () => [],
      warnings: () => [],
      stopping: stopping.signal,
    }),
  );
  url = `http://127.0.0.1:${await listenOnFreePort(server)}`;
  return {
    url,
    engine,
    clock,
    importInventory: async (text) => {
      const files = [{ name: 'fleet.toml', text }];
      const asked = { format: 'toml' as const, files, author: 'test', reason: 'a test' };
      return (await inventories.import({ ...asked, isDry: false })).revision;
    },
    installation,
    tokens,
    keyring,
    keys,
    add: async (cpv, changes = {}) =>
      (await push(repository, await makePackage(made, cpv, changes))).package,
    publish: async () => await repository.publish({ ...DEED, profile: 'web', channel: 'testing' }),
    close: async () => {
      stopping.abort();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await installation.close();
    },
  };
}
