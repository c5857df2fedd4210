import type { BuildRequest, ExplainedJob } from '../../builds/request.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { PackageRecord } from '../../repository/package-record.ts';
import { unknownNode } from '../../repository/proof/forget-node.ts';
import type { NodeRecord } from '../../repository/proof/node-report.ts';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';

/** Throws `unknown-profile`, `profile-broken`, `unknown-channel`. */
export function requireChannel(
  context: HttpContext,
  profileName: string,
  channel: string,
): HardwareProfile {
  const profile = context.profiles.get(profileName);
  if (!profile.channels.includes(channel)) {
    const known = profile.channels.join(', ');
    throw new AppError(
      'unknown-channel',
      `The profile ${profileName} has no channel ${channel}; it has ${known}.`,
      { details: { profile: profileName, channel, known: profile.channels } },
    );
  }
  return profile;
}

/** Where clients find the binhost of a channel: `sync-uri`. */
export function channelUri(context: HttpContext, profile: string, channel: string): string {
  return `${context.publicUrl()}/binhost/${profile}/${channel}`;
}

/** Throws `unknown-request`. */
export async function requireRequest(context: HttpContext, id: string): Promise<BuildRequest> {
  const request = await context.builds.findRequest(id);
  if (request === undefined) {
    throw unknownRequest(id);
  }
  return request;
}

export function unknownRequest(id: string): AppError {
  return new AppError('unknown-request', `There is no request ${id}.`);
}

/** Throws `unknown-job`. */
export async function requireJob(context: HttpContext, id: string): Promise<ExplainedJob> {
  const job = await context.builds.findJob(id);
  if (job === undefined) {
    throw unknownJob(id);
  }
  return job;
}

export function unknownJob(id: string): AppError {
  return new AppError('unknown-job', `There is no job ${id}.`);
}

/** Throws `unknown-package`, `package-collected`. */
export async function requirePackage(context: HttpContext, id: string): Promise<PackageRecord> {
  const record = await context.repository.findPackage(id);
  if (record === undefined) {
    const collected = await context.repository.retention.findCollected(id);
    if (collected !== undefined) {
      const { cpv, buildId, profile, collectedAt } = collected;
      throw new AppError(
        'package-collected',
        `${cpv}, build ${buildId} of ${profile}, was collected at ${new Date(collectedAt).toISOString()}.`,
        { details: { ...collected } },
      );
    }
    throw new AppError('unknown-package', `There is no package ${id}.`);
  }
  return record;
}

/** Why the bytes of a package cannot be had; null when they can. */
export async function damageOf(
  { check }: Pick<HttpContext, 'check'>,
  { profile, id }: PackageRecord,
): Promise<string | null> {
  return (await check.damaged(profile)).find((one) => one.id === id)?.reason ?? null;
}

/** The newest reports of a node. Throws `unknown-node`. */
export async function requireNode(context: HttpContext, name: string): Promise<NodeRecord[]> {
  const reports = await context.proofs.node(name);
  if (reports.length === 0) {
    throw unknownNode(name);
  }
  return reports;
}
