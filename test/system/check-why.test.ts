import { describe, expect, it } from '@jest/globals';
import { whyFaults } from '../../scripts/stress/check-why.ts';
import { type AgentView, agentViewSchema } from '../../src/protocol/agents.ts';
import { type JobView, jobViewSchema } from '../../src/protocol/builds.ts';

type Why = JobView['why'];

/** An agent with one slot that was heard of just now. */
function agent(name: string, ...jobIds: readonly string[]): AgentView {
  const now = Date.now();
  return agentViewSchema.parse({
    name,
    chost: 'x86_64-pc-linux-gnu',
    cpuFlags: [],
    cores: 2,
    memoryBytes: 0,
    portageVersion: null,
    executors: ['portage'],
    registeredAt: now,
    lastSeenAt: now,
    isLive: true,
    state: 'active',
    stateReason: null,
    stateSince: null,
    trialAt: null,
    jobIds,
  });
}

function readyJob(why: Why): JobView {
  return jobViewSchema.parse({
    id: 'job-1',
    requestId: 'req-1',
    kind: 'package',
    position: 0,
    name: 'a/one-1',
    executor: 'portage',
    state: 'ready',
    because: null,
    reason: null,
    attempt: 0,
    agent: null,
    createdAt: 0,
    startedAt: null,
    finishedAt: null,
    packageId: null,
    needs: [],
    why,
    whySentence: 'wait',
    progress: null,
    expectedAt: null,
    failure: null,
  });
}

/** What is found wrong with `next` naming the agent pre1. */
function faultsOfNext(before: readonly AgentView[], after: readonly AgentView[]): string[] {
  const jobs = [readyJob({ code: 'next', agents: ['pre1'], others: 0 })];
  return whyFaults({ reason: null, finishedAt: null, jobs }, [before, after]);
}

describe('the judge of reasons', () => {
  it('believes that an agent is next that was free before or after, or that changed between', () => {
    for (const [before, after] of [
      [[agent('pre1')], [agent('pre1', 'job-9')]],
      [[agent('pre1', 'job-8')], [agent('pre1', 'job-9')]],
      [[], [agent('pre1', 'job-9')]],
      [[agent('pre2', 'job-8')], [agent('pre2', 'job-8'), agent('pre1', 'job-9')]],
      [[agent('pre1', 'job-9')], []],
    ] as const) {
      expect(faultsOfNext(before, after)).toEqual([]);
    }
  });

  it('does not believe it of one that had the same job all the time, or was never there', () => {
    const busy = [agent('pre1', 'job-9')];
    expect(faultsOfNext(busy, busy)).toHaveLength(1);
    expect(faultsOfNext([agent('pre2')], [agent('pre2')])).toHaveLength(1);
  });

  it('believes nothing of a request that was cancelled, or is over, while a job of it could begin', () => {
    const jobs = [readyJob({ code: 'next', agents: ['pre1'], others: 0 })];
    const around = [[agent('pre1')], [agent('pre1')]];
    const cancelled = { reason: 'Cancelled by token:x.', finishedAt: null, jobs };
    expect(whyFaults(cancelled, around)).toHaveLength(1);
    expect(whyFaults({ reason: null, finishedAt: 1, jobs }, around)).toHaveLength(1);
    expect(whyFaults({ reason: null, finishedAt: null, jobs }, around)).toEqual([]);
  });
});
