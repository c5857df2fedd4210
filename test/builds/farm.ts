import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { BuildRecords } from '../../src/builds/build-records.ts';
import type { AgentDescription, Builds, Lease, LeaseKey } from '../../src/builds/builds.ts';
import type { BuildSettings } from '../../src/builds/builds-context.ts';
import { createBuilds } from '../../src/builds/create-builds.ts';
import type { BuildRequest, ExplainedJob } from '../../src/builds/request.ts';
import type { Database } from '../../src/database/database.ts';
import type { PortagePlan } from '../../src/gentoo/portage-plan.ts';
import type { Executor, HardwareProfile, ProfileCatalog } from '../../src/gentoo/profile.ts';
import { type Recipe, recipeSchema } from '../../src/gentoo/recipe.ts';
import type { Event } from '../../src/journal/event.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { AppError } from '../../src/support/errors.ts';
import type { Service } from '../../src/support/lifecycle.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { poll } from '../support/poll.ts';
import { openTestDatabase } from '../support/test-database.ts';
import { UNSAID_ABILITIES } from '../support/unsaid-abilities.ts';
import { createFakeRepository, FakeDisk, packageBytes, sha512Of } from './fake-repository.ts';
import { NO_TREES } from './no-trees.ts';

export const SETTINGS: BuildSettings = {
  leaseMs: 60_000,
  heartbeatMs: 15_000,
  maxAttempts: 3,
  maxLogBytes: 1000,
  retry: { initialMs: 0, maximumMs: 0 },
  breaker: { failures: 3, trialMs: 3_600_000 },
  limits: { silenceMs: 600_000, runMs: 3_600_000, logBytes: 1000, diskBytes: 1_000_000 },
};

/** Sooner than a lease ends. */
const WORD_EVERY_MS = 45_000;

export function makeProfile(change: Partial<HardwareProfile> = {}): HardwareProfile {
  return {
    name: 'web',
    description: '',
    ancestors: [],
    arch: 'amd64',
    chost: 'x86_64-pc-linux-gnu',
    flags: { CFLAGS: '-O2 -pipe' },
    cpuFlags: [],
    cpuFlagsVariable: null,
    gentooProfile: null,
    use: [],
    features: [],
    makeopts: '-j2',
    buildRoot: { kind: 'host' },
    executor: 'portage',
    channels: ['testing', 'stable'],
    sets: {},
    portageFiles: {},
    recipes: {},
    ...change,
  };
}

export function makeRecipe(cpv: string, change: Partial<Recipe> = {}): Recipe {
  return recipeSchema.parse({
    cpv,
    description: '',
    source: { url: 'https://example.org/x.tar.gz', sha512: 'a'.repeat(128) },
    install: ['true'],
    ...change,
  });
}

export function sourceProfile(recipes: readonly Recipe[]): HardwareProfile {
  return makeProfile({
    name: 'php',
    executor: 'source',
    recipes: Object.fromEntries(recipes.map((recipe) => [recipe.cpv, recipe])),
  });
}

type PlanPackage = PortagePlan['packages'][number];
type EdgeText = readonly [
  from: string,
  to: string,
  kind: PortagePlan['edges'][number]['kinds'][number],
];

export function planPackage(cpv: string, change: Partial<PlanPackage> = {}): PlanPackage {
  return {
    id: cpv,
    type: 'ebuild',
    cpv,
    slot: '0',
    repo: 'farm',
    use: [],
    buildId: null,
    buildTime: null,
    requested: false,
    ...change,
  };
}

export function makePlan(
  packages: readonly (string | PlanPackage)[],
  edges: readonly EdgeText[] = [],
  change: Partial<PortagePlan> = {},
): PortagePlan {
  return {
    ok: true,
    portage: '3.0.82',
    chost: 'x86_64-pc-linux-gnu',
    packages: packages.map((one) => (typeof one === 'string' ? planPackage(one) : one)),
    edges: edges.map(([from, to, kind]) => ({ from, to, kinds: [kind] })),
    problems: [],
    ...change,
  };
}

interface OpenFarm {
  readonly database: Database;
  readonly repository: Repository;
  readonly builds: Builds;
  readonly records: BuildRecords;
  readonly service: Service;
}

/** A build room on real SQLite that can be closed, killed and opened again on the same file. */
export class Farm {
  readonly clock = new ManualClock();
  readonly disk = new FakeDisk();
  readonly events: Event[] = [];
  readonly #folder: string;
  readonly #profiles: readonly HardwareProfile[];
  readonly #settings: BuildSettings;
  #open: OpenFarm | undefined;

  constructor(
    folder: string,
    profiles: readonly HardwareProfile[] = [makeProfile()],
    settings: Partial<BuildSettings> = {},
  ) {
    this.#folder = folder;
    this.#profiles = profiles;
    this.#settings = { ...SETTINGS, ...settings };
  }

  static async start(...options: ConstructorParameters<typeof Farm>): Promise<Farm> {
    const farm = new Farm(...options);
    await farm.start();
    return farm;
  }

  get #parts(): OpenFarm {
    if (this.#open === undefined) {
      throw new Error('the farm is down');
    }
    return this.#open;
  }

  get builds(): Builds {
    return this.#parts.builds;
  }

  get records(): BuildRecords {
    return this.#parts.records;
  }

  get database(): Database {
    return this.#parts.database;
  }

  get repository(): Repository {
    return this.#parts.repository;
  }

  get folder(): string {
    return this.#folder;
  }

  async start(): Promise<void> {
    const { clock } = this;
    const database = await openTestDatabase(join(this.#folder, 'rookery.sqlite'), clock);
    const journal = new Journal(database, clock);
    journal.listen((event) => {
      this.events.push(event);
    });
    const repository = createFakeRepository(database, this.disk, clock);
    const { builds, records, service } = createBuilds({
      database,
      journal,
      clock,
      log: silentLog(),
      locks: new Locks(),
      repository,
      trees: NO_TREES,
      profiles: catalogOf(this.#profiles),
      folders: { state: this.#folder },
      settings: this.#settings,
    });
    await service.start();
    this.#open = { database, repository, builds, records, service };
  }

  async stop(): Promise<void> {
    const { service, database } = this.#parts;
    this.#open = undefined;
    await service.stop();
    await database.destroy();
  }

  /** As `kill -9` would: the database goes away under whatever is going on. */
  async kill(): Promise<void> {
    const { service, database } = this.#parts;
    this.#open = undefined;
    await database.destroy();
    await service.stop();
  }

  async agent(
    name: string,
    executors: readonly Executor[] = ['portage', 'source'],
    more: Partial<AgentDescription> = {},
  ): Promise<string> {
    await this.builds.registerAgent({
      name,
      chost: 'x86_64-pc-linux-gnu',
      cpuFlags: [],
      cores: 2,
      memoryBytes: 2 ** 30,
      portageVersion: '3.0.82',
      executors,
      ...UNSAID_ABILITIES,
      ...more,
    });
    return name;
  }

  async lease(agent: string, waitMs = 0): Promise<Lease | undefined> {
    return await this.builds.lease(agent, waitMs, new AbortController().signal);
  }

  /** The next lease, which has to be there. */
  async take(agent: string): Promise<Lease & { readonly key: LeaseKey }> {
    const lease = await this.lease(agent);
    if (lease === undefined) {
      throw new Error(`there is no job for ${agent}`);
    }
    return { ...lease, key: { jobId: lease.jobId, attempt: lease.attempt, agent } };
  }

  async upload(key: LeaseKey, bytes: Buffer): Promise<PackageRecord> {
    return await this.uploadTo(this.builds, key, bytes);
  }

  async uploadTo(builds: Builds, key: LeaseKey, bytes: Buffer): Promise<PackageRecord> {
    return await builds.acceptPackage(key, {
      stream: Readable.from([bytes]),
      sha512: sha512Of(bytes),
      size: bytes.length,
    });
  }

  /**
   * Time passes while these are built: their agents speak, and their logs grow. However slow the machine is, the room finds
   * no lease and no limit that is over.
   */
  async keepBuilding(keys: readonly LeaseKey[], ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= WORD_EVERY_MS) {
      this.clock.advance(Math.min(left, WORD_EVERY_MS));
      for (const key of keys) {
        await this.builds.heartbeat(key);
        const { size } = await this.builds.readLog(key.jobId, { offset: 0, maxBytes: 1 });
        await this.builds.appendLog(key, size, Buffer.from('.'));
      }
    }
  }

  /** Builds what was leased, and says so. */
  async build(lease: Lease & { readonly key: LeaseKey }): Promise<string> {
    const cpv = cpvOf(lease);
    await this.upload(lease.key, packageBytes(cpv, `${lease.jobId}/${lease.attempt}`));
    await this.builds.acceptResult(lease.key, { outcome: 'succeeded' });
    return cpv;
  }

  async fail(
    key: LeaseKey,
    reason = 'The compiler said no.',
    code = 'build-failed',
  ): Promise<void> {
    await this.builds.acceptResult(key, { outcome: 'failed', reason, code });
  }

  /** Asks for something with the executor `portage`, and answers the plan job with this plan. */
  async plan(
    plan: PortagePlan,
    publish?: string,
    more: { readonly force?: boolean; readonly reason?: string } = {},
  ): Promise<BuildRequest> {
    const request = await this.builds.createRequest({
      profile: 'web',
      atoms: ['app-misc/top'],
      author: 'token:test',
      ...(publish === undefined ? {} : { publish }),
      ...more,
    });
    const lease = await this.take(await this.agent('planner', ['portage']));
    await this.builds.acceptPlan(lease.key, plan);
    await this.builds.acceptResult(lease.key, { outcome: 'succeeded' });
    await this.forget('planner');
    return request;
  }

  /** Nothing more is heard of this agent. */
  async forget(agent: string): Promise<void> {
    await this.database
      .updateTable('agents')
      .set({ last_seen_at: 0 })
      .where('name', '=', agent)
      .execute();
  }

  async request(id: string): Promise<BuildRequest> {
    const request = await this.builds.findRequest(id);
    if (request === undefined) {
      throw new Error(`there is no request ${id}`);
    }
    return request;
  }

  async finished(id: string): Promise<BuildRequest> {
    return await poll(`the end of ${id}`, async () => {
      const request = await this.request(id);
      return request.finishedAt === null ? undefined : request;
    });
  }

  /** Waits for a state of the request. */
  async until(id: string, state: BuildRequest['state']): Promise<void> {
    await poll(`${id} to be ${state}`, async () =>
      (await this.request(id)).state === state ? true : undefined,
    );
  }

  /** Package jobs by CPV. */
  async jobs(requestId: string): Promise<Record<string, ExplainedJob>> {
    const jobs = await this.builds.jobsOf(requestId);
    return Object.fromEntries(jobs.map((job) => [job.name, job]));
  }

  async states(requestId: string): Promise<Record<string, string>> {
    const jobs = await this.builds.jobsOf(requestId);
    return Object.fromEntries(
      jobs.filter(({ kind }) => kind === 'package').map(({ name, state }) => [name, state]),
    );
  }
}

export function cpvOf(lease: Lease): string {
  const { work } = lease;
  if (work.kind === 'plan') {
    throw new Error('this is a plan job');
  }
  return work.kind === 'source-package' ? work.recipe.cpv : work.cpv;
}

function catalogOf(profiles: readonly HardwareProfile[]): ProfileCatalog {
  return {
    list: () => profiles,
    broken: () => ({}),
    get: (name) => {
      const profile = profiles.find((one) => one.name === name);
      if (profile === undefined) {
        throw new AppError('unknown-profile', `There is no profile ${name}.`);
      }
      return profile;
    },
  };
}
