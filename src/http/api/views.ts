import type { AgentRecord, Lease } from '../../builds/builds.ts';
import { sentenceOf } from '../../builds/reason-sentence.ts';
import type { BuildRequest, ExplainedJob } from '../../builds/request.ts';
import { formatMakeConf } from '../../gentoo/make-conf.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { AgentView, LeaseMessage } from '../../protocol/agents.ts';
import type { JobView, RequestView } from '../../protocol/builds.ts';
import type { PublicationView } from '../../protocol/channels.ts';
import type { PackageView, ProfileView } from '../../protocol/packages.ts';
import type { PackageRecord } from '../../repository/package-record.ts';
import type { PublicationRecord } from '../../repository/publication.ts';
import { publicationHref } from '../web/links.ts';

/** An idle agent is heard of once per long poll, a busy one once per heartbeat. */
const LONGEST_POLL_MS = 60_000;
const MISSED_HEARTBEATS = 3;

export function isLive(
  agent: AgentRecord,
  times: { readonly now: number; readonly heartbeatMs: number },
): boolean {
  const silence = LONGEST_POLL_MS + MISSED_HEARTBEATS * times.heartbeatMs;
  return times.now - agent.lastSeenAt <= silence;
}

export function agentView(
  agent: AgentRecord,
  times: { readonly now: number; readonly heartbeatMs: number },
): AgentView {
  return {
    name: agent.name,
    chost: agent.chost,
    cpuFlags: [...agent.cpuFlags],
    cores: agent.cores,
    memoryBytes: agent.memoryBytes,
    portageVersion: agent.portageVersion,
    executors: [...agent.executors],
    compiler: agent.compiler,
    diskFreeBytes: agent.diskFreeBytes,
    labels: [...agent.labels],
    profiles: [...agent.profiles],
    slots: agent.slots,
    distccd: agent.distccd ?? null,
    registeredAt: agent.registeredAt,
    lastSeenAt: agent.lastSeenAt,
    isLive: isLive(agent, times),
    state: agent.state,
    stateReason: agent.stateReason,
    stateSince: agent.stateSince,
    trialAt: agent.trialAt,
    jobIds: [...agent.jobIds],
  };
}

export function profileView(profile: HardwareProfile): ProfileView {
  const { name, description, arch, chost, executor, channels } = profile;
  return {
    name,
    description,
    arch,
    chost,
    executor,
    channels: [...channels],
    makeConf: formatMakeConf(profile),
  };
}

export function packageView(record: PackageRecord): PackageView {
  return {
    id: record.id,
    profile: record.profile,
    cpv: record.cpv,
    slot: record.slot,
    buildId: record.buildId,
    path: record.path,
    size: record.size,
    sha512: record.sha512,
    buildTime: record.buildTimeSeconds,
    signedBy: record.keyFingerprint,
    description: record.metadata['DESCRIPTION'] ?? '',
    use: record.metadata['USE'] ?? '',
    importedAt: record.importedAt,
  };
}

export function packageDetail(record: PackageRecord, damaged: string | null) {
  return {
    ...packageView(record),
    damaged,
    md5: record.md5,
    sha1: record.sha1,
    origin: record.origin,
    metadata: { ...record.metadata },
  };
}

export function publicationView(record: PublicationRecord): PublicationView {
  return {
    profile: record.profile,
    channel: record.channel,
    serial: record.serial,
    snapshotId: record.snapshotId,
    timestamp: record.timestampSeconds,
    createdAt: record.createdAt,
    author: record.author,
    reason: record.reason,
    kind: record.kind,
    packageCount: record.packageCount,
    forced: record.forced === null ? null : { missing: [...record.forced.missing] },
    path: publicationHref(record),
  };
}

export function requestView(request: BuildRequest): RequestView {
  return {
    id: request.id,
    profile: request.profile,
    atoms: [...request.atoms],
    rebuild: request.rebuild,
    resolve: [...request.resolve],
    publish: request.publish,
    partial: request.partial,
    state: request.state,
    reason: request.reason,
    author: request.author,
    createdAt: request.createdAt,
    finishedAt: request.finishedAt,
    priority: request.priority,
    paused: request.paused,
  };
}

/** What is told about a job besides the job itself. */
export type JobNotes = Pick<JobView, 'progress' | 'expectedAt' | 'failure'>;

export function jobView(job: ExplainedJob, notes: JobNotes): JobView {
  return {
    id: job.id,
    requestId: job.requestId,
    kind: job.kind,
    position: job.position,
    name: job.name,
    executor: job.executor,
    state: job.state,
    because: job.because,
    reason: job.reason,
    attempt: job.attempt,
    agent: job.agent,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
    packageId: job.packageId,
    needs: [...job.needs],
    why: job.why,
    whySentence: sentenceOf(job.why),
    ...notes,
  };
}

export function leaseMessage(lease: Lease, publicKey: string): LeaseMessage {
  const { jobId, requestId, attempt, expiresAt, profile, limits, work } = lease;
  return {
    jobId,
    requestId,
    attempt,
    expiresAt,
    profile,
    limits,
    stagingPath: `/staging/${encodeURIComponent(lease.staging)}/`,
    publicKey,
    ...(lease.compileHosts !== undefined && { compileHosts: [...lease.compileHosts] }),
    ...(profile.compileSharing !== undefined &&
      profile.compileSharing.ccacheBytes !== null && { ccachePath: `/ccache/${profile.name}/` }),
    work: workView(work),
  };
}

function workView(work: Lease['work']): LeaseMessage['work'] {
  if (work.kind !== 'plan') {
    return work;
  }
  const { atoms, resolve, anew } = work;
  return { ...work, atoms: [...atoms], resolve: [...resolve], anew: [...anew] };
}
