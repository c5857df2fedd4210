import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ROLES, type Role } from './access/role.ts';
import type { Tokens } from './access/tokens.ts';
import type { Config } from './config/config.ts';
import { openCluster } from './database/cluster.ts';
import { openDatabase } from './database/database.ts';
import { databaseTime, keepTogether, SharedClock } from './database/shared-clock.ts';
import type { ProfileCatalog } from './gentoo/profile.ts';
import { DEFAULT_RETENTION } from './gentoo/retention-policy.ts';
import { watchCertificate } from './http/certificate.ts';
import { createListenService, type ListenService } from './http/listen-service.ts';
import { createRequestListener } from './http/listener.ts';
import { watchIncoming } from './repository/watch-incoming.ts';
import { type Ground, openRooms, type Rooms } from './rooms.ts';
import { expiryFault, reportExpiry } from './signing/key-expiry.ts';
import type { Clock } from './support/clock.ts';
import { sayingDiskFull } from './support/disk-space.ts';
import { messageOf } from './support/errors.ts';
import { readTextIfPresent, writeFileAtomic } from './support/files.ts';
import { newToken } from './support/ids.ts';
import { type Service, startAll, stopAll } from './support/lifecycle.ts';
import type { Log } from './support/log.ts';
import { repeating, scheduled } from './support/schedule.ts';

const RECOVERY_MS = 15_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** How late a server knows what another has done to the keys. */
const KEYS_OF_OTHERS_MS = 2_000;

/** A running Rookery. */
export interface Server {
  /** How clients reach it, without a trailing slash. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Builds every room from the configuration, recovers what a killed process left, and starts serving. Nothing
 * listens until all of that has worked; whatever was opened is closed again when it has not.
 */
export async function startServer(config: Config, log: Log, clock: Clock): Promise<Server> {
  const writing = { what: 'what a start writes', where: 'paths.state and paths.mirror-root' };
  return await sayingDiskFull(writing, async () => await open(config, log, clock));
}

async function open(config: Config, log: Log, clock: Clock): Promise<Server> {
  const { state, mirrorRoot } = config.paths;
  await mkdir(join(state, 'tokens'), { recursive: true, mode: 0o700 });
  await mkdir(mirrorRoot, { recursive: true });
  const place = config.database.url ?? join(state, 'rookery.sqlite');
  const database = await openDatabase(place, clock);
  const cluster = openCluster(place, database, log);
  try {
    const ground = { log, database, cluster };
    if (!cluster.isShared) {
      return await compose(config, { ...ground, clock });
    }
    const shared = await SharedClock.open(clock, async () => await databaseTime(database));
    return await compose(config, { ...ground, clock: shared }, [keepTogether(shared, log)]);
  } catch (error) {
    await cluster.close();
    await database.destroy();
    throw error;
  }
}

async function compose(
  config: Config,
  ground: Ground,
  first: readonly Service[] = [],
): Promise<Server> {
  const { log, database, cluster } = ground;
  const rooms = await enter(config, ground);
  const { listenService, reached } = listening(config, rooms);
  const services: Service[] = [
    ...first,
    rooms.profiles,
    cluster.following(() => {
      rooms.journal.look((error) => {
        log.warn({ error: messageOf(error) }, 'the journal cannot be followed now');
      });
    }),
    rooms.buildService,
    cluster.leading([
      rooms.leads,
      rooms.schedules,
      rooms.rolloutRunner,
      housekeeping(config, rooms),
      ...(cluster.isShared ? [recovery(rooms)] : []),
      watchIncoming({ ...rooms, folder: join(config.paths.mirrorRoot, 'incoming') }),
    ]),
    rooms.check,
    rooms.collection,
    rooms.diskWatch,
    rooms.resign,
    rooms.keys,
    ...(cluster.isShared ? [keyWatch(rooms)] : []),
    listenService,
  ];
  await startAll(services);
  const url = reached();
  const noteFile = join(config.paths.state, 'server.json');
  const note = `${JSON.stringify({ url, pid: process.pid })}\n`;
  await writeFileAtomic(noteFile, note);
  log.info({ url, key: rooms.keys.fingerprint() }, 'listening');
  if (config.http.publicUrl === null && listenService.isOnEveryAddress()) {
    log.warn({ url }, '[http] public-url is not set: other machines get no setup scripts');
  }
  return {
    url,
    stop: async () => {
      await stopAll(services);
      if ((await readTextIfPresent(noteFile)) === note) {
        await rm(noteFile, { force: true });
      }
      await cluster.close();
      await database.destroy();
    },
  };
}

/** What one server at a time does, before it serves. */
async function enter(config: Config, ground: Ground): Promise<Rooms> {
  let rooms: Rooms | undefined;
  await ground.cluster.enter(async (isAlone) => {
    rooms = await openRooms(config, ground);
    await rooms.repository.recover({ othersRun: !isAlone });
    await rooms.php.recover({ othersRun: !isAlone });
    await rooms.keys.inspect();
    await createFirstTokens(config.paths.state, rooms.tokens);
  });
  if (rooms === undefined) {
    throw new Error('the rooms were not opened');
  }
  if (ground.cluster.isShared) {
    await rooms.journal.follow();
  }
  return rooms;
}

/** The HTTP service, and how clients reach it once it listens. */
function listening(
  config: Config,
  rooms: Rooms,
): { readonly listenService: ListenService; readonly reached: () => string } {
  const { http, rsync, builds, paths } = config;
  const reached = (): string => http.publicUrl ?? listenService.url();
  const listenService = createListenService({
    host: http.host,
    port: http.port,
    nextFreePort: http.nextFreePort,
    log: rooms.log,
    certificate: http.tls === null ? undefined : watchCertificate(http.tls, rooms.log),
    createListener: (stopping) =>
      createRequestListener({
        ...rooms,
        get publicKey() {
          return rooms.keys.publicKeys();
        },
        get fingerprint() {
          return rooms.keys.fingerprint();
        },
        heartbeatMs: builds.heartbeatMs,
        folders: { mirrorRoot: paths.mirrorRoot, staging: join(paths.state, 'staging') },
        publicUrl: reached,
        phpUrl: rsync.publicUrl === null ? null : `${rsync.publicUrl}/php`,
        isPublicUrlKnown: () => http.publicUrl !== null || !listenService.isOnEveryAddress(),
        readiness: async () => await faultsOf(rooms),
        warnings: () => [rooms.diskWatch.warning()].filter((one) => one !== undefined),
        stopping,
      }),
  });
  return { listenService, reached };
}

/** One token of role admin and one of role builder, so that a new installation can be used from its own machine. */
async function createFirstTokens(state: string, tokens: Tokens): Promise<void> {
  const known = new Set((await tokens.list()).map(({ name }) => name));
  const first: readonly Role[] = ROLES.filter((role) => role !== 'node');
  for (const role of first) {
    if (!known.has(`first-${role}`)) {
      const file = join(state, 'tokens', `${role}.token`);
      const token = (await readTextIfPresent(file))?.trim() ?? newToken();
      await writeFileAtomic(file, `${token}\n`, { mode: 0o600 });
      await tokens.create(`first-${role}`, role, 'server', token);
    }
  }
}

function housekeeping(config: Config, rooms: Rooms): Service {
  return scheduled({
    name: 'housekeeping',
    expression: config.housekeeping.schedule,
    work: async () => {
      reportExpiry(rooms.keyring.signer(), rooms.clock, rooms.log);
      await rooms.keys.inspect();
      const { leftoverHours, logDays, historyDays } = config.housekeeping;
      const removed = await rooms.builds.removeLeftovers({
        sourcesMs: leftoverHours * HOUR_MS,
        logsMs: logDays * DAY_MS,
      });
      const attempts = await rooms.records.forgetHistory(historyDays * DAY_MS);
      if (config.housekeeping.collect) {
        await collect(rooms);
        await collectPhp(rooms);
      }
      const ccacheBytes = await rooms.compilerCache.cleanUp(ccacheLimits(rooms.profiles));
      rooms.log.info({ removed, attempts, ccacheBytes }, 'housekeeping done');
    },
    onError: (error) => {
      rooms.log.error({ error: messageOf(error) }, 'housekeeping failed');
    },
  });
}

/** Most bytes of the shared ccache by profile; a broken profile keeps what it has. */
function ccacheLimits(profiles: ProfileCatalog): ReadonlyMap<string, number> {
  const limits = new Map(Object.keys(profiles.broken()).map((name) => [name, Infinity]));
  for (const { name, compileSharing } of profiles.list()) {
    const bytes = compileSharing?.ccacheBytes ?? null;
    if (bytes !== null) {
      limits.set(name, bytes);
    }
  }
  return limits;
}

/** Servers that have ended leave things half done while others run: the leader sees to them. */
function recovery({ repository, php, log }: Rooms): Service {
  return repeating({
    name: 'recovery',
    everyMs: RECOVERY_MS,
    work: async () => {
      await repository.recover({ othersRun: true });
      await php.recover({ othersRun: true });
    },
    onError: (error) => {
      log.error({ error: messageOf(error) }, 'recovery failed');
    },
  });
}

/** Another server may have let a key take over, or revoked one. */
function keyWatch({ keys, log }: Rooms): Service {
  return repeating({
    name: 'keys of others',
    everyMs: KEYS_OF_OTHERS_MS,
    work: async () => {
      await keys.reload();
    },
    onError: (error) => {
      log.error({ error: messageOf(error) }, 'the keys cannot be read again');
    },
  });
}

async function collectPhp({ php, profiles, log }: Rooms): Promise<void> {
  for (const { name: profile, retention: policy = DEFAULT_RETENTION } of profiles.list()) {
    const trees = await php.collect({ profile, policy, dryRun: false, actor: 'server' });
    const gone = trees.filter(({ keep }) => keep.length === 0).map(({ id }) => id);
    if (gone.length > 0) {
      log.info({ profile, gone }, 'collected PHP trees that nothing keeps');
    }
  }
}

async function collect({ repository, log }: Rooms): Promise<void> {
  const { profiles } = await repository.retention.collect({ dryRun: false, actor: 'server' });
  for (const { profile, publications, packages, going } of profiles) {
    const gone = publications.filter(({ keep }) => !keep).length;
    if (gone + packages.length > 0) {
      log.info(
        { profile, publications: gone, packages: packages.length, bytes: going.bytes },
        'collected what nothing holds',
      );
    }
  }
}

/** What keeps the server from doing its work, a sentence each. */
async function faultsOf({ database, keyring, clock }: Rooms): Promise<string[]> {
  const expired = expiryFault(keyring.signer(), clock);
  const faults = expired === undefined ? [] : [expired];
  try {
    await database.selectFrom('migrations').select('name').limit(1).execute();
    return faults;
  } catch (error) {
    return [...faults, `The database does not answer: ${messageOf(error)}.`];
  }
}
