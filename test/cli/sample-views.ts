import type { AgentView } from '../../src/protocol/agents.ts';
import type { JobView, RequestDetail } from '../../src/protocol/builds.ts';
import type { PublicationView } from '../../src/protocol/channels.ts';
import type { PackageView } from '../../src/protocol/packages.ts';
import { NOON } from './noon.ts';

/** A job as a server tells it. */
export function jobView(values: Partial<JobView> = {}): JobView {
  return {
    id: 'job-1',
    requestId: 'request-1',
    kind: 'package',
    position: 1,
    name: 'app-misc/rookery-hello-1.0',
    executor: 'source',
    because: null,
    state: 'waiting',
    reason: null,
    attempt: 0,
    agent: null,
    createdAt: NOON,
    startedAt: null,
    finishedAt: null,
    packageId: null,
    needs: [],
    why: { code: 'no-agent' },
    whySentence: 'waits for an agent; none has registered',
    progress: null,
    expectedAt: null,
    failure: null,
    ...values,
  };
}

/** An agent as a server tells it. */
export function agentView(values: Partial<AgentView> = {}): AgentView {
  return {
    name: 'b1',
    chost: 'x86_64-pc-linux-gnu',
    cpuFlags: ['avx2'],
    cores: 16,
    memoryBytes: 64 * 1024 ** 3,
    portageVersion: '3.0.82',
    executors: ['portage', 'source'],
    compiler: 'gcc-14.2.1',
    diskFreeBytes: null,
    labels: [],
    profiles: [],
    slots: 1,
    distccd: null,
    registeredAt: NOON,
    lastSeenAt: NOON - 5000,
    isLive: true,
    state: 'active',
    stateReason: null,
    stateSince: null,
    trialAt: null,
    jobIds: ['job-1'],
    ...values,
  };
}

export function requestDetail(values: Partial<RequestDetail> = {}): RequestDetail {
  return {
    id: 'request-1',
    profile: 'web-v3',
    atoms: ['app-misc/rookery-web'],
    rebuild: false,
    resolve: [],
    publish: null,
    partial: false,
    state: 'building',
    reason: null,
    author: 'token:first-admin',
    createdAt: NOON,
    finishedAt: null,
    priority: 0,
    paused: null,
    jobs: [],
    packages: [],
    problems: [],
    publication: null,
    expectedAt: null,
    ...values,
  };
}

export function publicationView(values: Partial<PublicationView> = {}): PublicationView {
  return {
    profile: 'web-v3',
    channel: 'testing',
    serial: 4,
    snapshotId: 'snapshot-4',
    timestamp: NOON / 1000,
    createdAt: NOON - 300_000,
    author: 'token:first-admin',
    reason: 'weekly',
    kind: 'publish',
    packageCount: 3,
    forced: null,
    path: '/binhost/web-v3/.publications/testing-4',
    ...values,
  };
}

export function packageView(values: Partial<PackageView> = {}): PackageView {
  return {
    id: 'package-1',
    profile: 'web-v3',
    cpv: 'app-misc/rookery-hello-1.0',
    slot: '0',
    buildId: 2,
    path: 'app-misc/rookery-hello/rookery-hello-1.0-2.gpkg.tar',
    size: 12_288,
    sha512: 'ab'.repeat(64),
    buildTime: NOON / 1000,
    signedBy: 'F'.repeat(40),
    description: 'Sample',
    use: '',
    importedAt: NOON,
    ...values,
  };
}
