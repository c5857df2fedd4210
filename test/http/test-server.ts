import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { Tokens } from '../../src/access/tokens.ts';
import { CompilerCache } from '../../src/builds/compiler-cache.ts';
import { Scheduler } from '../../src/builds/schedule/scheduler.ts';
import type { Database } from '../../src/database/database.ts';
import { createFleetImpacts } from '../../src/fleet/impact/fleet-impacts.ts';
import { Inventories } from '../../src/fleet/inventory/inventories.ts';
import { Standings } from '../../src/fleet/status/standings.ts';
import type { HardwareProfile, ProfileCatalog } from '../../src/gentoo/profile.ts';
import type { HttpContext } from '../../src/http/context.ts';
import { createRequestListener } from '../../src/http/listener.ts';
import { Journal } from '../../src/journal/journal.ts';
import { createProofs } from '../../src/repository/proof/proofs.ts';
import { CollectionTask } from '../../src/repository/retention/collection-task.ts';
import { DiskSpace } from '../../src/support/disk-space.ts';
import { AppError } from '../../src/support/errors.ts';
import { Locks } from '../../src/support/locks.ts';
import { openTestRollouts } from '../fleet/rollout/test-rollouts.ts';
import { noResign, openTestKeyring, openTestKeys } from '../keys/open-test-keys.ts';
import { openTestPhp } from '../php/open-test-php.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openTestDatabase } from '../support/test-database.ts';
import { FakeBuilds } from './fake-builds.ts';
import { FakeCheck } from './fake-check.ts';
import type { FakeRecords } from './fake-records.ts';
import { FakeRepository, FINGERPRINT } from './fake-repository.ts';
import { NOBODY } from './no-balancers.ts';

export const PUBLIC_KEY =
  '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxjMEZ==\n-----END PGP PUBLIC KEY BLOCK-----\n';

/** A server on a free port, with real tokens and journal, and rooms in memory behind it. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  readonly mirrorRoot: string;
  readonly staging: string;
  readonly clock: ManualClock;
  readonly repository: FakeRepository;
  readonly check: FakeCheck;
  readonly collection: CollectionTask;
  readonly builds: FakeBuilds;
  readonly records: FakeRecords;
  readonly tokens: Tokens;
  readonly journal: Journal;
  readonly context: HttpContext;
  /** What keeps it from being ready. */
  readonly faults: string[];
  /** What will keep it from that. */
  readonly warnings: string[];
  /** Lines of the log, parsed. */
  readonly logLines: Record<string, unknown>[];
  readonly stopping: AbortController;
  readonly token: (role: 'admin' | 'builder' | 'node') => Promise<string>;
  readonly close: () => Promise<void>;
}

export function hardwareProfile(
  given: Partial<HardwareProfile> & { readonly name: string },
): HardwareProfile {
  return {
    description: 'Web servers with AMD EPYC 9004 processors',
    ancestors: ['base'],
    arch: 'amd64',
    chost: 'x86_64-pc-linux-gnu',
    flags: { CFLAGS: '-O2 -pipe -march=znver4', LDFLAGS: '-Wl,-O1' },
    cpuFlags: ['aes', 'avx2', 'avx512f', 'sse4_2'],
    cpuFlagsVariable: 'CPU_FLAGS_X86',
    gentooProfile: 'default/linux/amd64/23.0',
    use: ['ssl', '-X'],
    features: ['buildpkg'],
    makeopts: '-j8',
    buildRoot: { kind: 'host' },
    executor: 'portage',
    channels: ['testing', 'stable'],
    sets: { web: ['dev-lang/php', 'www-servers/nginx'] },
    portageFiles: {},
    recipes: {},
    ...given,
  };
}

class FixedCatalog implements ProfileCatalog {
  readonly #profiles: readonly HardwareProfile[];

  constructor(profiles: readonly HardwareProfile[]) {
    this.#profiles = profiles;
  }

  list(): readonly HardwareProfile[] {
    return this.#profiles;
  }

  broken(): Readonly<Record<string, readonly string[]>> {
    return {
      'web-sparc': ['profile.toml: "chosst" is no key of a profile; did you mean "chost"?'],
    };
  }

  get(name: string): HardwareProfile {
    const profile = this.#profiles.find((known) => known.name === name);
    if (profile === undefined) {
      throw new AppError('unknown-profile', `There is no profile ${name}.`, { details: { name } });
    }
    return profile;
  }
}

export async function startTestServer(
  options: { readonly maxUploadBytes?: number } = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-http-'));
  const [mirrorRoot, staging] = [join(folder, 'mirror-root'), join(folder, 'state', 'staging')];
  for (const path of [mirrorRoot, staging]) {
    mkdirSync(path, { recursive: true });
  }
  const clock = new ManualClock();
  const database: Database = await openTestDatabase(join(folder, 'state', 'rookery.sqlite'), clock);
  const journal = new Journal(database, clock);
  const tokens = new Tokens(database, journal, clock);
  const keyring = await openTestKeyring(folder, clock);
  const repository = new FakeRepository(clock, options.maxUploadBytes);
  const check = new FakeCheck();
  const builds = new FakeBuilds({ clock, journal, repository });
  const { records } = builds;
  const { log, logLines } = recordingLog();
  const collection = new CollectionTask(repository.retention, { clock, log });
  const faults: string[] = [];
  const warnings: string[] = [];
  const stopping = new AbortController();
  let url = '';
  const profiles = new FixedCatalog([
    hardwareProfile({
      name: 'web-zen4',
      compileSharing: { distcc: true, ccacheBytes: 10_000 },
    }),
    hardwareProfile({
      name: 'web-skylake',
      description: 'Web servers with Intel Xeon Scalable processors',
      flags: { CFLAGS: '-O2 -pipe -march=skylake-avx512' },
    }),
  ]);
  const inventories = new Inventories({ database, journal, clock, profiles });
  const folders = { state: join(folder, 'state'), mirrorRoot };
  const php = openTestPhp({ clock, journal, keyring, folder });
  const impacts = createFleetImpacts({
    database,
    profiles,
    locks: new Locks(),
    folders,
    observed: async () => [],
  });
  const context: HttpContext = {
    profiles,
    repository,
    php,
    check,
    collection,
    keys: await openTestKeys(folder, { clock, journal, keyring }),
    resign: noResign,
    proofs: createProofs({ database, journal, clock, profiles, locks: new Locks() }),
    inventories,
    standings: new Standings({ database, inventories, profiles, clock, balancers: NOBODY }),
    impacts,
    rollouts: openTestRollouts({
      database,
      journal,
      inventories,
      profiles,
      impacts,
      php,
      folders,
    }).rollouts,
    builds,
    schedules: new Scheduler({
      database,
      journal,
      clock,
      log,
      profiles,
      builds,
      check,
      locks: new Locks(),
      retention: repository.retention,
    }),
    compilerCache: new CompilerCache({
      folder: join(folder, 'state', 'ccache'),
      locks: new Locks(),
      space: new DiskSpace([], 0),
    }),
    records,
    tokens,
    journal,
    publicKey: PUBLIC_KEY,
    fingerprint: FINGERPRINT,
    log,
    clock,
    heartbeatMs: 5000,
    folders: { mirrorRoot, staging },
    publicUrl: () => url,
    phpUrl: null,
    isPublicUrlKnown: () => true,
    readiness: async () => faults,
    warnings: () => warnings,
    stopping: stopping.signal,
  };
  const server = createServer(createRequestListener(context));
  const port = await listenOnFreePort(server);
  url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    server,
    mirrorRoot,
    staging,
    clock,
    repository,
    check,
    collection,
    builds,
    records,
    tokens,
    journal,
    context,
    faults,
    warnings,
    logLines,
    stopping,
    token: async (role) => await tokens.create(`test-${role}`, role, 'test'),
    close: async () => {
      stopping.abort();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await database.destroy();
      await rm(folder, { recursive: true, force: true });
      await rm(repository.uploads, { recursive: true, force: true });
    },
  };
}

export async function listenOnFreePort(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') {
    throw new Error('the server has no port');
  }
  return address.port;
}

function recordingLog(): { readonly log: Logger; readonly logLines: Record<string, unknown>[] } {
  const logLines: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'debug', base: null },
    {
      write: (line: string) => {
        const parsed: unknown = JSON.parse(line);
        if (typeof parsed === 'object' && parsed !== null) {
          logLines.push({ ...parsed });
        }
      },
    },
  );
  return { log, logLines };
}

/** Sends bytes as they are, and gives everything that comes back until the server closes the connection. */
export async function rawExchange(port: number, request: string): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(Buffer.from(request, 'latin1'));
    });
    socket.setTimeout(10_000, () => {
      socket.destroy(new Error('the server did not answer'));
    });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('error', reject);
    socket.once('close', () => {
      resolve(Buffer.concat(chunks).toString('latin1'));
    });
  });
}

/** A GET with exactly this target, on a connection of its own. */
export async function rawGet(
  port: number,
  target: string,
  headers = '',
): Promise<{
  readonly status: number;
  readonly head: string;
  readonly body: string;
}> {
  const answer = await rawExchange(
    port,
    `GET ${target} HTTP/1.1\r\nHost: farm\r\n${headers}Connection: close\r\n\r\n`,
  );
  const end = answer.indexOf('\r\n\r\n');
  const head = answer.slice(0, end);
  return { status: Number(head.split(' ')[1]), head, body: answer.slice(end + 4) };
}
