import { chmodSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runAgent } from '../../src/agent/run-agent.ts';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { readMetadata } from '../../src/binpkg/metadata.ts';
import { problemSentence } from '../../src/gentoo/plan-problem.ts';
import { type PortagePlan, portagePlanSchema } from '../../src/gentoo/portage-plan.ts';
import type { HardwareProfile } from '../../src/gentoo/profile.ts';
import type { LeaseMessage } from '../../src/protocol/agents.ts';
import { exists } from '../../src/support/files.ts';
import { silentLog } from '../../src/support/log.ts';
import { type RunResult, run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { BuildServer, type ServedJob } from '../agent/build-server.ts';
import { LIMITS, SAMPLE, sampleRecipe, sourceLease, testProfile } from '../agent/jobs.ts';
import { StagingBinhost } from '../agent/staging-binhost.ts';
import { portageSuite } from '../support/gentoo-prefix.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const [title, isSkipped] = portageSuite('an agent with real Portage');
const SLOW_MS = 300_000;
jest.setTimeout(SLOW_MS);

const folder = temporaryFolder();
chmodSync(folder, 0o755);
const overlay = join(SAMPLE, 'overlay');
const builder = join(folder, 'builder');
const client = join(folder, 'client');
const server = new BuildServer(join(folder, 'server'));
const stop = new AbortController();
let staging: StagingBinhost;
let life: Promise<void> | undefined;

async function makePrefix(path: string): Promise<void> {
  const program = join(SAMPLE, '../make-prefix');
  await runChecked([program, path, overlay], { env: toolEnvironment() });
}

async function emerge(prefix: string, args: readonly string[]): Promise<RunResult> {
  const script = '. "$0/env"; exec emerge --color=n "$@"';
  return await run(['bash', '-c', script, prefix, ...args], {
    env: { ...toolEnvironment(), CLEAN_DELAY: '0' },
    timeoutMs: SLOW_MS,
  });
}

function prefixProfile(changes: Partial<HardwareProfile> = {}): HardwareProfile {
  return testProfile({
    executor: 'portage',
    buildRoot: { kind: 'prefix', path: builder },
    use: ['rookery-test-flag'],
    features: ['noinfo'],
    sets: { web: ['app-misc/rookery-web'] },
    portageFiles: { 'package.use/hello': 'app-misc/rookery-hello unused-flag\n' },
    ...changes,
  });
}

let count = 0;

async function doJob(
  work: LeaseMessage['work'],
  profile: HardwareProfile = prefixProfile(),
): Promise<ServedJob> {
  count += 1;
  const job = server.addJob({
    jobId: `job-${count}`,
    requestId: 'request',
    expiresAt: 0,
    profile,
    limits: LIMITS,
    stagingPath: `/staging/job-${count}/`,
    work,
  });
  return await finished(job);
}

async function finished(job: ServedJob): Promise<ServedJob> {
  await poll(`the result of ${job.lease.jobId}`, () => job.result, SLOW_MS);
  return job;
}

function planWork(atoms: readonly string[], rebuild = false): LeaseMessage['work'] {
  return { kind: 'plan', atoms: [...atoms], rebuild, resolve: [], anew: [], sync: false };
}

function packageWork(cpv: string): LeaseMessage['work'] {
  return { kind: 'portage-package', cpv, repo: 'rookery-sample' };
}

function planOf(job: ServedJob): PortagePlan {
  expect(`${job.result?.outcome} ${job.result?.reason ?? ''}`).toBe('succeeded ');
  return portagePlanSchema.parse(job.plan);
}

function typesOf(plan: PortagePlan): Record<string, string> {
  return Object.fromEntries(plan.packages.map(({ cpv, type }) => [cpv, type]));
}

/** What emerge compiled and what it installed as a binary, from its log. */
function doings(job: ServedJob): { compiled: string[]; installed: string[] } {
  const log = String(job.log);
  const names = (pattern: RegExp): string[] =>
    [...log.matchAll(pattern)].map(([, name = '']) => name);
  return {
    compiled: names(/>>> Emerging \(\d+ of \d+\) ([^:\s]+)/g),
    installed: names(/>>> Emerging binary \(\d+ of \d+\) ([^:\s]+)/g),
  };
}

async function textOf(job: ServedJob): Promise<Readonly<Record<string, string>>> {
  const source = await openByteSource(job.package ?? '');
  try {
    return readMetadata((await verifyGpkg(source)).metadata).text;
  } finally {
    await source.close();
  }
}

async function configurationOf(path: string): Promise<string[]> {
  const names = await readdir(join(path, 'etc/portage'), { recursive: true });
  const makeConf = await readFile(join(path, 'etc/portage/make.conf'), 'utf8');
  return [...names.toSorted(), makeConf];
}

(isSkipped ? describe.skip : describe)(title, () => {
  beforeAll(async () => {
    await makePrefix(builder);
    await appendFile(join(builder, 'etc/portage/make.conf'), `FEATURES="\${FEATURES} nodoc"\n`);
    await makePrefix(client);
    staging = await StagingBinhost.make(join(folder, 'staging'), join(folder, 'keys'));
    server.stagingFolder = staging.folder;
    server.publicKey = staging.signer.publicKey;
    await server.start();
    process.env['ROOKERY_TEST_SECRET'] = 'hunter2';
    life = runAgent({
      server: server.url,
      token: server.token,
      name: 'portage-builder',
      workFolder: join(folder, 'agent'),
      slots: 2,
      log: silentLog(),
      signal: stop.signal,
    });
    life.catch(() => undefined);
  }, SLOW_MS);

  afterAll(async () => {
    stop.abort();
    await life;
    await server.kill();
  });

  it('offers both executors and knows the version of Portage', async () => {
    const [description] = await poll('a registration', () =>
      server.agents.length > 0 ? server.agents : undefined,
    );
    expect(description?.executors).toEqual(['portage', 'source']);
    expect(description?.portageVersion).toMatch(/^3\.\d+/);
  });

  it('plans the sample with every package, edge and slot', async () => {
    const plan = planOf(await doJob(planWork(['@web'])));
    expect(plan.ok).toBe(true);
    expect(plan.chost).toBe('x86_64-pc-linux-gnu');
    expect(
      plan.packages.map(({ cpv, type, slot, requested }) => [cpv, type, slot, requested]),
    ).toEqual([
      ['dev-libs/librookery-1.0', 'ebuild', '0/1', false],
      ['app-misc/rookery-hello-1.0', 'ebuild', '0', false],
      ['app-misc/rookery-web-1.0', 'ebuild', '0', true],
    ]);
    const [library, hello, web] = plan.packages.map(({ id }) => id);
    const sources = plan.packages.map(({ source }) => source ?? '');
    expect(sources.every((source) => /^[0-9a-f]{64}$/.test(source))).toBe(true);
    expect(new Set(sources).size).toBe(sources.length);
    expect(plan.edges).toEqual(
      expect.arrayContaining([
        { from: hello, to: library, kinds: expect.arrayContaining(['buildtime', 'runtime']) },
        { from: web, to: hello, kinds: ['runtime'] },
      ]),
    );
  });

  it('says in words why there is no plan', async () => {
    const missing = planOf(await doJob(planWork(['app-misc/nothing-of-that-name'])));
    expect(missing).toMatchObject({ ok: false, packages: [] });
    expect(missing.problems.map(problemSentence).join()).toContain(
      'app-misc/nothing-of-that-name cannot be had',
    );
    const flag = planOf(await doJob(planWork(['app-misc/rookery-hello[doc]'])));
    expect(flag.problems.map(problemSentence).join()).toContain(
      'app-misc/rookery-hello-1.0::rookery-sample has no USE flag doc',
    );
  });

  it('refuses to compile a dependency that was not staged', async () => {
    const job = await doJob(packageWork('app-misc/rookery-hello-1.0'));
    expect(job.result).toMatchObject({ outcome: 'failed', code: 'dependency-not-staged' });
    expect(job.result?.reason).toContain('dev-libs/librookery-1.0');
    expect(doings(job)).toEqual({ compiled: [], installed: [] });
  });

  it('builds three packages job by job, each dependency a staged binary, and leaves the root as it was', async () => {
    const before = await configurationOf(builder);
    // Portage would compile what a binhost that is away cannot tell it of: the server is killed now and then.
    server.givesIndexOnce = true;
    for (const [cpv, installed] of [
      ['dev-libs/librookery-1.0', []],
      ['app-misc/rookery-hello-1.0', ['dev-libs/librookery-1.0']],
      ['app-misc/rookery-web-1.0', ['dev-libs/librookery-1.0', 'app-misc/rookery-hello-1.0']],
    ] as const) {
      const job = await doJob(packageWork(cpv));
      expect(`${job.result?.outcome} ${job.result?.reason ?? ''}`).toBe('succeeded ');
      expect(doings(job)).toEqual({ compiled: [cpv], installed });
      await staging.add(job.package ?? '');
      const all = ['dev-libs/librookery', 'app-misc/rookery-hello', 'app-misc/rookery-web'];
      await emerge(builder, ['--unmerge', '--quiet', ...all]);
    }
    server.givesIndexOnce = false;
    expect(await configurationOf(builder)).toEqual(before);
    expect(await exists(join(builder, 'var/cache/edb/binhost/127.0.0.1/staging'))).toBe(true);
    expect(await readdir(join(builder, 'var/cache/edb/binhost/127.0.0.1/staging'))).toEqual([]);
    expect(await exists(join(builder, 'var/cache/binpkgs/Packages'))).toBe(false);
  });

  it('blames the machine for a staged package that could not be fetched', async () => {
    server.keepsPackages = true;
    const job = await doJob(packageWork('app-misc/rookery-hello-1.0'));
    server.keepsPackages = false;
    expect(job.result).toMatchObject({ outcome: 'failed', code: 'fetch-failed' });
    expect(doings(job)).toMatchObject({ compiled: [] });
  });

  it('builds with the flags of the profile, and publishes nothing of its own environment', async () => {
    const job = await doJob(packageWork('dev-libs/librookery-1.0'));
    const text = await textOf(job);
    const features = text['FEATURES']?.split(' ');
    expect(features).toEqual(expect.arrayContaining(['nodoc', 'noinfo']));
    expect(text).toMatchObject({
      CFLAGS: '-O2 -pipe',
      CXXFLAGS: '-O2 -pipe -fno-plt',
      SLOT: '0/1',
      PROVIDES: 'x86_64: librookery.so.1',
      repository: 'rookery-sample',
    });
    const source = await openByteSource(job.package ?? '');
    const { metadata } = await verifyGpkg(source);
    await source.close();
    const { stdout } = await runChecked(['bzip2', '-dc'], {
      env: toolEnvironment(),
      input: metadata.get('environment.bz2') ?? '',
    });
    expect(String(stdout)).toContain('declare -x PF="librookery-1.0"');
    expect(String(stdout)).not.toContain('hunter2');
  });

  it('plans with staged binaries, and without them when asked to rebuild', async () => {
    const reused = planOf(await doJob(planWork(['app-misc/rookery-hello'])));
    expect(typesOf(reused)).toMatchObject({ 'app-misc/rookery-hello-1.0': 'binary' });
    const rebuilt = planOf(await doJob(planWork(['app-misc/rookery-hello'], true)));
    expect(typesOf(rebuilt)).toMatchObject({ 'app-misc/rookery-hello-1.0': 'ebuild' });
  });

  it('lists what is installed already and needed at run time', async () => {
    await emerge(builder, ['--oneshot', 'app-misc/rookery-hello']);
    const plan = planOf(await doJob(planWork(['app-misc/rookery-web'], true)));
    expect(typesOf(plan)).toEqual({
      'app-misc/rookery-web-1.0': 'ebuild',
      'app-misc/rookery-hello-1.0': 'installed',
      'dev-libs/librookery-1.0': 'installed',
    });
    expect(plan.edges).toContainEqual({
      from: expect.stringContaining('installed:app-misc/rookery-hello'),
      to: expect.stringContaining('installed:dev-libs/librookery'),
      kinds: ['runtime'],
    });
  });

  it('selects the Gentoo profile that the hardware profile names, or says that there is none', async () => {
    const named = prefixProfile({ gentooProfile: 'rookery-sample:amd64' });
    expect(planOf(await doJob(planWork(['dev-libs/librookery']), named)).ok).toBe(true);
    const plain = prefixProfile({ gentooProfile: 'base' });
    expect(planOf(await doJob(planWork(['dev-libs/librookery']), plain)).ok).toBe(false);
    const unknown = prefixProfile({ gentooProfile: 'rookery-sample:no/such/profile' });
    const job = await doJob(planWork(['dev-libs/librookery']), unknown);
    expect(job.result).toMatchObject({ outcome: 'failed', code: 'unknown-gentoo-profile' });
  });

  it('refuses a staged package that another key has signed', async () => {
    const other = await StagingBinhost.make(join(folder, 'other'), join(folder, 'other-keys'));
    await emerge(builder, ['--unmerge', 'dev-libs/librookery', 'app-misc/rookery-hello']);
    const library = await doJob(packageWork('dev-libs/librookery-1.0'));
    await emerge(builder, ['--unmerge', 'dev-libs/librookery']);
    await other.add(library.package ?? '');
    server.stagingFolder = other.folder;
    try {
      const job = await doJob(packageWork('app-misc/rookery-hello-1.0'));
      expect(job.result).toMatchObject({ outcome: 'failed', code: 'build-failed' });
      expect(String(job.log)).toMatch(/invalid signature|public key/i);
      expect(await exists(join(builder, 'var/db/pkg/dev-libs/librookery-1.0'))).toBe(false);
    } finally {
      server.stagingFolder = staging.folder;
    }
  });
});

(isSkipped ? describe.skip : describe)(`${title}: packages of the source executor`, () => {
  it('are installed, run and uninstalled by emerge', async () => {
    const here = new BuildServer(join(folder, 'source-server'));
    const binhost = await StagingBinhost.make(join(folder, 'source-binhost'), join(folder, 'keys'));
    here.stagingFolder = binhost.folder;
    await here.start();
    const halt = new AbortController();
    const agent = runAgent({
      server: here.url,
      token: here.token,
      name: 'source-builder',
      workFolder: join(folder, 'source-agent'),
      slots: 1,
      log: silentLog(),
      signal: halt.signal,
    });
    const profile = testProfile({ buildRoot: { kind: 'prefix', path: client } });
    try {
      for (const name of ['librookery-1.0', 'rookery-hello-1.0', 'rookery-web-1.0']) {
        const { recipe, source } = await sampleRecipe(name);
        const job = await finished(here.addJob(sourceLease(name, recipe, source, profile), source));
        expect(`${job.result?.outcome} ${job.result?.reason ?? ''}`).toBe('succeeded ');
        await binhost.add(job.package ?? '');
      }
      await configureClient(`${here.url}/staging/client`, binhost.signer.publicKey);

      const installed = await emerge(client, ['--getbinpkgonly', 'app-misc/rookery-web']);
      expect([installed.exitCode, installed.stderr]).toEqual([0, expect.anything()]);
      const page = await run([join(client, 'usr/bin/rookery-web')], { env: toolEnvironment() });
      expect(String(page.stdout)).toMatch(/rookery-hello 1\.0: 6 chicks .* compiled for x86-64/);

      const all = ['app-misc/rookery-web', 'app-misc/rookery-hello', 'dev-libs/librookery'];
      const removed = await emerge(client, ['--unmerge', ...all]);
      expect(removed.exitCode).toBe(0);
      expect(await exists(join(client, 'usr/bin/rookery-web'))).toBe(false);
      expect(await exists(join(client, 'usr/lib/librookery.so.1.0'))).toBe(false);
      expect(await exists(join(client, 'var/db/pkg/dev-libs/librookery-1.0'))).toBe(false);
    } finally {
      halt.abort();
      await agent;
      await here.kill();
    }
  });
});

async function configureClient(uri: string, publicKey: string): Promise<void> {
  const home = join(folder, 'client-gnupg');
  await mkdir(home, { mode: 0o755 });
  const gpg = ['gpg', '--homedir', home, '--batch', '--no-tty'];
  const env = toolEnvironment();
  await runChecked([...gpg, '--import'], { env, input: publicKey });
  const listed = await runChecked([...gpg, '--with-colons', '--list-keys'], { env });
  const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(String(listed.stdout))?.[1] ?? '';
  await runChecked([...gpg, '--import-ownertrust'], { env, input: `${fingerprint}:6:\n` });
  await runChecked([...gpg, '--check-trustdb'], { env });
  chmodSync(home, 0o755);
  chmodSync(join(home, 'trustdb.gpg'), 0o644);
  chmodSync(join(home, 'pubring.kbx'), 0o644);
  await appendFile(
    join(client, 'etc/portage/make.conf'),
    `BINPKG_GPG_VERIFY_GPG_HOME="${home}"\nPORTAGE_TRUST_HELPER=""\nFEATURES="\${FEATURES} binpkg-request-signature"\n`,
  );
  await writeFile(
    join(client, 'etc/portage/binrepos.conf/farm.conf'),
    `[farm]\nsync-uri = ${uri}\nverify-signature = true\n`,
  );
}
