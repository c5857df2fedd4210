import { chmodSync, cpSync, readdirSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { runAgent } from '../../src/agent/run-agent.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, spawnGroup, toolEnvironment } from '../../src/support/processes.ts';
import { BuildServer, type ServedJob } from '../agent/build-server.ts';
import { LIMITS, SAMPLE, testProfile } from '../agent/jobs.ts';
import { StagingBinhost } from '../agent/staging-binhost.ts';
import { portageSuite } from '../support/gentoo-prefix.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const [title, isSkipped] = portageSuite('an agent with real Portage that is killed');
const SLOW_MS = 120_000;
jest.setTimeout(SLOW_MS);

const PROJECT = join(import.meta.dirname, '../..');
const EBUILD = `EAPI=8
DESCRIPTION="Takes a while"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm arm64 ppc64 riscv x86"
src_compile() {
	echo "compiling begins"
	sleep 300
}
`;

const folder = temporaryFolder();
chmodSync(folder, 0o755);
const overlay = join(folder, 'overlay');
const builder = join(folder, 'builder');
const server = new BuildServer(join(folder, 'server'));
const workFolders = [join(folder, 'agent-1'), join(folder, 'agent-2')] as const;

function processesBelow(path: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`).startsWith(path);
    } catch {
      return false;
    }
  });
}

function addJob(jobId: string, cpv: string): ServedJob {
  return server.addJob({
    jobId,
    requestId: 'request',
    expiresAt: 0,
    profile: testProfile({
      executor: 'portage',
      buildRoot: { kind: 'prefix', path: builder },
      features: ['pid-sandbox'],
    }),
    limits: LIMITS,
    stagingPath: `/staging/${jobId}/`,
    work: { kind: 'portage-package', cpv, repo: 'rookery-sample' },
  });
}

async function logged(job: ServedJob, text: string): Promise<void> {
  await poll(
    `"${text}" in the log of ${job.lease.jobId}`,
    () => (String(job.log).includes(text) ? true : undefined),
    SLOW_MS,
  );
}

async function whileAgentRuns(workFolder: string, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const { url, token } = server;
  const options = { server: url, token, name: 'again', slots: 1, log: silentLog() };
  const life = runAgent({ ...options, workFolder, signal: stop.signal });
  life.catch(() => undefined);
  try {
    await work();
  } finally {
    stop.abort();
    await life;
  }
}

(isSkipped ? describe.skip : describe)(title, () => {
  beforeAll(async () => {
    cpSync(join(SAMPLE, 'overlay'), overlay, { recursive: true });
    const slow = join(overlay, 'app-misc/slow');
    await mkdir(slow);
    await writeFile(join(slow, 'slow-1.ebuild'), EBUILD);
    const program = join(SAMPLE, '../make-prefix');
    await runChecked([program, builder, overlay], { env: toolEnvironment() });
    const staging = await StagingBinhost.make(join(folder, 'staging'), join(folder, 'keys'));
    server.stagingFolder = staging.folder;
    server.publicKey = staging.signer.publicKey;
    await server.start();
  }, SLOW_MS);

  afterAll(async () => {
    for (const pid of processesBelow(folder)) {
      process.kill(Number(pid), 'SIGKILL');
    }
    await server.kill();
  });

  it('leaves its build the root, until it starts again and clears it away', async () => {
    const dead = addJob('dead', 'app-misc/slow-1');
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, server.token);
    const [first, second] = workFolders;
    const words = ['agent', '--server', server.url, '--token-file', tokenFile, '--work', first];
    const agent = spawnGroup(
      [process.execPath, '--import', 'tsx', 'src/main.ts', ...words],
      { cwd: PROJECT, env: toolEnvironment() },
      'ignore',
    );
    await logged(dead, 'compiling begins');
    agent.kill('SIGKILL');
    dead.state = 'ended';
    expect(processesBelow(join(first, 'jobs')).length).toBeGreaterThan(1);
    const indexes = join(builder, 'var/cache/edb/binhost/127.0.0.1/staging');
    expect(await readdir(indexes)).toEqual(['dead']);

    await whileAgentRuns(second, async () => {
      const next = addJob('next', 'dev-libs/librookery-1.0');
      await logged(next, `held by the agent process ${agent.pid} for dead.`);
      expect(processesBelow(join(first, 'jobs')).length).toBeGreaterThan(1);
      await whileAgentRuns(first, async () => {
        const result = await poll('the result of next', () => next.result, SLOW_MS);
        expect(`${result.outcome} ${result.reason ?? ''}`).toBe('succeeded ');
        expect(processesBelow(join(first, 'jobs'))).toEqual([]);
        expect(await readdir(indexes)).toEqual([]);
      });
    });
  });
});
