import { requireChannel } from '../channel.ts';
import { requirePublication } from '../promote-channel.ts';
import { newestPublication } from '../publication-store.ts';
import { makeSnapshot } from '../publish-snapshot.ts';
import type { Repository } from '../repository.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { type JudgedFinding, judgeSnapshot, rebuildsFor } from './pass-gate.ts';

type CheckRequest = Parameters<Repository['check']>[0];

/** See `Repository.check`. Nothing is published; a snapshot of the newest packages may be written down. */
export async function checkChannel(
  context: RepositoryContext,
  request: CheckRequest,
): Promise<{ readonly findings: readonly JudgedFinding[]; readonly rebuild: readonly string[] }> {
  const profile = context.profiles.get(request.profile);
  requireChannel(profile, request.channel);
  const { snapshotId, origin } = await contentsOf(context, request);
  if (snapshotId === undefined) {
    return { findings: [], rebuild: [] };
  }
  const by = { author: '', reason: '', createdAt: context.clock.now() };
  const asked = { profile, channel: request.channel, snapshotId, origin };
  const findings = await judgeSnapshot(context, asked, by);
  return { findings, rebuild: rebuildsFor(findings) };
}

async function contentsOf(context: RepositoryContext, request: CheckRequest) {
  const { profile, channel, contents } = request;
  if (contents === 'newest') {
    const by = { author: 'server', reason: 'checked' };
    return { snapshotId: await makeSnapshot(context, { ...by, profile, channel }) };
  }
  const from = contents ?? { channel };
  const key = { profile, channel: from.channel };
  requireChannel(context.profiles.get(profile), from.channel);
  const origin =
    from.serial === undefined
      ? await newestPublication(context.database, key)
      : await requirePublication(context, key, from.serial);
  return { snapshotId: origin?.snapshotId, origin };
}
