import type { BlockedBuildRow } from '../database/tables.ts';
import { AppError } from '../support/errors.ts';
import { blockedRows, removeBlocks } from './blocked-store.ts';
import type { BlockedBuild } from './builds.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { packageOf } from './limits.ts';

/** Why a job is not begun that is blocked. */
export function blockedReason({ job_id: jobId, profile, cpv, reason }: BlockedBuildRow): string {
  return `It is blocked, because the same build failed before, in ${jobId}: ${reason} It is tried again when its inputs change, or after "rookery build unblock ${profile} ${cpv}".`;
}

export function toBlockedBuild(row: BlockedBuildRow): BlockedBuild {
  const { profile, cpv, reason } = row;
  return { profile, cpv, jobId: row.job_id, reason, blockedAt: row.blocked_at };
}

/** See `Builds.unblock`. */
export async function unblock(
  context: BuildsContext,
  wanted: { readonly profile: string; readonly packages: readonly string[] },
  actor: string,
): Promise<BlockedBuild[]> {
  return await transact(context, actor, async (deed) => {
    const rows = await blockedRows(deed.queries, wanted.profile);
    for (const name of wanted.packages) {
      if (!rows.some((row) => named(row, name))) {
        throw new AppError(
          'not-blocked',
          `No package of the profile ${wanted.profile} that is blocked is called ${name}.`,
          { details: { profile: wanted.profile, package: name } },
        );
      }
    }
    const chosen = rows.filter(
      (row) => wanted.packages.length === 0 || wanted.packages.some((name) => named(row, name)),
    );
    const cpvs = [...new Set(chosen.map(({ cpv }) => cpv))];
    const removed = await removeBlocks(deed.queries, wanted.profile, cpvs);
    await tellUnblocked(deed, removed);
    return removed.map(toBlockedBuild);
  });
}

function named(row: BlockedBuildRow, name: string): boolean {
  return row.cpv === name || packageOf(row.cpv) === name;
}

/** Journal: `package-unblocked`, subject `profile:<name>`. */
export async function tellUnblocked(deed: Deed, rows: readonly BlockedBuildRow[]): Promise<void> {
  for (const { profile, cpv, job_id: jobId, reason } of rows) {
    await deed.tell({
      actor: deed.actor,
      kind: 'package-unblocked',
      subject: `profile:${profile}`,
      data: { profile, name: cpv, jobId, reason },
    });
  }
}
