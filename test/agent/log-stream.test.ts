import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { JobLog, LogStream } from '../../src/agent/job-log.ts';
import { ServerConnection } from '../../src/agent/server-connection.ts';
import { silentLog } from '../../src/support/log.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BuildServer } from './build-server.ts';
import { LIMITS, testProfile } from './jobs.ts';

const folder = temporaryFolder();
const server = new BuildServer(join(folder, 'server'));
const PIECES = 4;

/** How long a log that always grows takes to be sent in so many pieces, in milliseconds. */
async function timeOfPieces(jobId: string, isFollowed: boolean): Promise<number> {
  const job = server.addJob({
    jobId,
    requestId: 'request',
    expiresAt: 0,
    profile: testProfile({}),
    limits: LIMITS,
    stagingPath: '/staging/x/',
    work: { kind: 'plan', atoms: [], rebuild: false, resolve: [], anew: [], sync: false },
  });
  Object.assign(job, { state: 'leased', attempt: 1, isFollowed });
  const agentLog = silentLog();
  const connection = new ServerConnection({
    server: server.url,
    token: server.token,
    agent: 'one',
    log: agentLog,
  });
  const log = new JobLog(join(folder, jobId));
  const stream = new LogStream({ log, connection, attempt: { jobId, attempt: 1 }, agentLog });
  const end = new AbortController();
  const following = stream.follow(end.signal, new AbortController().signal);
  const begun = performance.now();
  try {
    await poll('the pieces', () => {
      appendFileSync(log.path, 'line\n');
      return server.calls.filter((call) => call === `log ${jobId}`).length >= PIECES || undefined;
    });
    return performance.now() - begun;
  } finally {
    end.abort();
    await following;
    log.close();
  }
}

beforeAll(async () => {
  await server.start();
});

afterAll(async () => {
  await server.kill();
});

describe('the log of a build', () => {
  it('is sent in fewer pieces while nobody looks on', async () => {
    const seen = await timeOfPieces('seen', true);
    const unseen = await timeOfPieces('unseen', false);
    // Of the three pauses between four pieces one may be missing: what is written while a piece is sent goes at once.
    expect(unseen).toBeGreaterThan(1900);
    // A fourth of it, and what sending takes on a machine that does other things.
    expect(seen).toBeLessThan(0.8 * unseen);
  });
});
