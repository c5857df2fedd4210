import { join } from 'node:path';
import { Tokens } from './access/tokens.ts';
import { CompilerCache } from './builds/compiler-cache.ts';
import { createBuilds } from './builds/create-builds.ts';
import { Scheduler } from './builds/schedule/scheduler.ts';
import type { Config } from './config/config.ts';
import { LiveProfiles } from './config/live-profiles.ts';
import { type Cluster } from './database/cluster.ts';
import { type Database } from './database/database.ts';
import { openDrivers } from './fleet/drivers/open-drivers.ts';
import { createFleetImpacts, type FleetImpactContext } from './fleet/impact/fleet-impacts.ts';
import { Inventories } from './fleet/inventory/inventories.ts';
import { observedNodes } from './fleet/observed/observed-store.ts';
import { createRollouts, type RolloutsOptions } from './fleet/rollout/create-rollouts.ts';
import { Standings } from './fleet/status/standings.ts';
import { Journal } from './journal/journal.ts';
import { FarmKeys } from './keys/farm-keys.ts';
import { phpLayout } from './php/layout.ts';
import { TREE_LIMITS } from './php/limits.ts';
import type { NodeTree } from './php/node-trees.ts';
import type { PhpContext } from './php/php-context.ts';
import { createPhpTrees, type PhpTrees } from './php/php-trees.ts';
import { openRepository } from './repository/create-repository.ts';
import { watchDiskSpace } from './repository/disk-watch.ts';
import type { NodeRecord } from './repository/proof/node-report.ts';
import { createProofs, type Proofs } from './repository/proof/proofs.ts';
import { reportExpiry } from './signing/key-expiry.ts';
import { Keyring } from './signing/keyring/keyring.ts';
import { type Clock, sleep } from './support/clock.ts';
import { DiskSpace } from './support/disk-space.ts';
import { AppError } from './support/errors.ts';
import { readTextIfPresent } from './support/files.ts';
import { RunningNote, type Service } from './support/lifecycle.ts';
import { Locks } from './support/locks.ts';
import type { Log } from './support/log.ts';

/** How late a key may take over. */
const KEYS_EVERY_MS = 60_000;

/** What everything else is built on. */
export interface Ground {
  readonly log: Log;
  readonly clock: Clock;
  readonly database: Database;
  readonly cluster: Cluster;
}

export type Rooms = Awaited<ReturnType<typeof openRooms>>;

/** Builds every room from the configuration, each with those it works with. */
export async function openRooms(config: Config, { log, clock, database, cluster }: Ground) {
  const { state, mirrorRoot } = config.paths;
  const journal = openJournal(database, clock, cluster);
  const leads = new RunningNote('note of leadership');
  const profiles = await openProfiles(config, log, journal, leads);
  const keyring = await openKeys(config, log, clock);
  const shared = { database, journal, clock, log, locks: cluster.locks, profiles };
  const space = diskSpace(config);
  const { repository, check, collection, resign } = openRepository({
    ...shared,
    signer: () => keyring.signer(),
    currentKeys: () => new Set(keyring.acceptedFingerprints()),
    consumers: async (profile) => await php.consumers(profile),
    folders: { state, mirrorRoot },
    maxUploadBytes: config.http.maxUploadBytes,
    space,
    ...(cluster.isShared ? { servers: cluster } : {}),
  });
  const proofs = createProofs(shared);
  const php = openPhp(config, { ...shared, proofs, keyring });
  const fleet = await openFleet(config, { ...shared, php });
  const { warnBelowBytes } = config.disk;
  const diskWatch = watchDiskSpace({ ...shared, space, warnBelowBytes });
  const {
    builds,
    records,
    service: buildService,
  } = createBuilds({
    ...shared,
    profiles: profiles.forRequests(),
    repository,
    trees: php,
    folders: { state },
    settings: config.builds,
    othersServe: cluster.isShared,
    leads: () => leads.isRunning,
  });
  const schedules = new Scheduler({
    ...shared,
    profiles: profiles.forRequests(),
    builds,
    check,
    retention: repository.retention,
  });
  const compilerCache = compilerCacheIn(state, space);
  const tokens = new Tokens(database, journal, clock);
  const keys = new FarmKeys({
    ...shared,
    keyring,
    resigning: resign,
    reseal: async () => await php.reseal(),
    folder: join(mirrorRoot, 'keys'),
    everyMs: KEYS_EVERY_MS,
  });
  const making = { builds, records, buildService, schedules, compilerCache };
  const work = { ...making, ...fleet, check, collection, resign, proofs, diskWatch, php };
  return { ...shared, ...work, keyring, keys, repository, tokens, leads };
}

/** What the fleet consists of, how it stands, what upgrades would do to it, and those that are carried out. */
async function openFleet(
  config: Config,
  shared: Omit<FleetImpactContext, 'observed' | 'folders'> &
    Omit<RolloutsOptions, 'drivers' | 'judges' | 'inventories' | 'impacts' | 'folders'>,
) {
  const { state, mirrorRoot } = config.paths;
  const parts = { ...shared, folders: { state, mirrorRoot } };
  const inventories = new Inventories(parts);
  const impacts = createFleetImpacts({
    ...parts,
    observed: async () => [...(await observedNodes(shared.database)).values()],
  });
  const { drivers, ...rollouts } = await openRollouts(config, { ...parts, inventories, impacts });
  const standings = new Standings({ ...parts, inventories, balancers: drivers.balancers });
  return { inventories, standings, impacts, ...rollouts };
}

/** Rollouts, and the connections to nodes and balancers, which are closed when nobody carries out any. */
async function openRollouts(
  { fleet, paths }: Config,
  parts: Omit<RolloutsOptions, 'drivers' | 'judges'>,
) {
  const time = { now: () => parts.clock.now(), sleep };
  const opened = await openDrivers(fleet, { state: paths.state, log: parts.log, time });
  const settings = { graceSeconds: fleet.graceSeconds };
  const { rollouts, runner } = createRollouts({ ...parts, ...opened, settings });
  const rolloutRunner: Service = {
    name: runner.name,
    start: async () => {
      await runner.start();
    },
    stop: async () => {
      await runner.stop();
      await opened.close();
    },
  };
  return { rollouts, rolloutRunner, drivers: opened.drivers };
}

function openPhp(
  { paths }: Config,
  rooms: Pick<PhpContext, 'journal' | 'locks' | 'clock' | 'log'> & {
    readonly proofs: Proofs;
    readonly keyring: Keyring;
  },
): PhpTrees {
  const { proofs, keyring } = rooms;
  return createPhpTrees({
    ...rooms,
    layout: phpLayout(paths),
    limits: TREE_LIMITS,
    nodeTrees: async (profile) => phpTreesOfNodes(await proofs.nodes(), profile),
    signer: () => keyring.signer(),
  });
}

/** What nodes have reported, in the words of the room of PHP trees. */
function phpTreesOfNodes(records: readonly NodeRecord[], profile: string): NodeTree[] {
  return records
    .filter((record) => record.profile === profile)
    .flatMap(({ node, channel, checks, reportedAt, php }) =>
      (php ?? []).map(({ id, manifest, state, requires }) => ({
        node,
        tree: id,
        channel,
        manifest,
        state,
        requires,
        passed: checks.filter((check) => check.passed).map(({ name }) => name),
        failed: checks.filter((check) => !check.passed).map(({ name }) => name),
        reportedAt,
      })),
    );
}

function openJournal(database: Database, clock: Clock, cluster: Cluster): Journal {
  return cluster.isShared
    ? new Journal(database, clock, () => {
        cluster.hint();
      })
    : new Journal(database, clock);
}

function compilerCacheIn(state: string, space: DiskSpace): CompilerCache {
  return new CompilerCache({ folder: join(state, 'ccache'), locks: new Locks(), space });
}

function diskSpace({ paths, disk }: Config): DiskSpace {
  const folders = [
    { name: 'paths.state', path: paths.state },
    { name: 'paths.mirror-root', path: paths.mirrorRoot },
  ];
  return new DiskSpace(folders, disk.keepFreeBytes);
}

async function openKeys(config: Config, log: Log, clock: Clock): Promise<Keyring> {
  const { name, email, validDays, passphraseFile, gpg } = config.signing;
  const passphrase = passphraseFile === null ? undefined : await readPassphrase(passphraseFile);
  const keyring = await Keyring.open({
    folder: join(config.paths.state, 'signing'),
    name,
    email,
    validDays,
    clock,
    log,
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(gpg === null ? {} : { gpg: { ...gpg, passphraseFile } }),
  });
  reportExpiry(keyring.signer(), clock, log);
  return keyring;
}

async function readPassphrase(file: string): Promise<string> {
  const text = await readTextIfPresent(file);
  const passphrase = text?.replace(/\n+$/, '') ?? '';
  if (passphrase === '') {
    throw new AppError(
      'passphrase-missing',
      `The passphrase file ${file} ${text === undefined ? 'does not exist' : 'is empty'}.`,
    );
  }
  return passphrase;
}

/** Every server reads the profiles; the leader writes in the journal what became of them. */
async function openProfiles(
  config: Config,
  log: Log,
  journal: Journal,
  leads: RunningNote,
): Promise<LiveProfiles> {
  const profiles = await LiveProfiles.open({
    folder: config.paths.profiles,
    memoryFile: join(config.paths.state, 'profiles.json'),
    log,
  });
  profiles.listen(async (changes) => {
    for (const { kind, profile, faults, isKept } of leads.isRunning ? changes : []) {
      const data = { profile, ...(faults.length > 0 && { faults: [...faults], isKept }) };
      await journal.record({ kind, subject: `profile:${profile}`, actor: 'server', data });
    }
  });
  return profiles;
}
