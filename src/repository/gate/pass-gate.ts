import type { HardwareProfile } from '../../gentoo/profile.ts';
import { AppError } from '../../support/errors.ts';
import type { ChannelKey } from '../publication-store.ts';
import { newestPublication } from '../publication-store.ts';
import type { Deed } from '../repository.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { checkSnapshot, type SnapshotToCheck } from './check-snapshot.ts';
import type { Finding } from './finding.ts';
import { type Allowance, allowancesOf } from './gate-store.ts';

const NAMED = 3;

/** A finding, and what became of it. */
export interface JudgedFinding extends Finding {
  readonly verdict: 'refused' | 'allowed' | 'warning';
  /** By whom and why it was allowed. */
  readonly allowance: Pick<Allowance, 'author' | 'reason' | 'createdAt'> | null;
}

export interface GateRequest extends SnapshotToCheck, Deed {
  /** Ids of findings that are to pass. */
  readonly allow?: readonly string[] | undefined;
  /** The publication that is promoted: what was allowed there is allowed here. */
  readonly origin?: (ChannelKey & { readonly serial: number }) | undefined;
}

/**
 * Holds what is to be published against everything that could harm a node. An allowance lasts as long as the finding
 * does: what the publication before it, or the one that is promoted, was allowed is allowed again.
 *
 * Throws `publication-refused` (details: findings, rebuild), `reason-required`, `unknown-finding`.
 */
export async function passGate(
  context: RepositoryContext,
  request: GateRequest,
): Promise<readonly JudgedFinding[]> {
  const { profile, channel, allow = [], author, reason } = request;
  if (allow.length > 0 && reason.trim() === '') {
    throw new AppError(
      'reason-required',
      'A finding can only be allowed with a reason: it is kept with the publication.',
      { details: { profile: profile.name, channel, allow } },
    );
  }
  const now = context.clock.now();
  const judged = await judgeSnapshot(context, request, { author, reason, createdAt: now });
  const unknown = allow.filter((id) => !judged.some((finding) => finding.id === id));
  if (unknown.length > 0) {
    throw new AppError('unknown-finding', `The gate has no finding ${unknown.join(', ')}.`, {
      details: { unknown },
    });
  }
  const refused = judged.filter(({ verdict }) => verdict === 'refused');
  if (refused.length > 0) {
    throw refusal(profile, channel, refused);
  }
  return judged;
}

/** All findings with their verdicts; `by` is who allows those that are named in the request. */
export async function judgeSnapshot(
  context: RepositoryContext,
  request: Omit<GateRequest, keyof Deed>,
  by: Pick<Allowance, 'author' | 'reason' | 'createdAt'>,
): Promise<readonly JudgedFinding[]> {
  const { profile, channel, allow = [], origin } = request;
  const findings = await checkSnapshot(context, request);
  if (findings.length === 0) {
    return [];
  }
  const newest = await newestPublication(context.database, { profile: profile.name, channel });
  const allowed = new Map<string, Pick<Allowance, 'author' | 'reason' | 'createdAt'>>();
  for (const publication of [newest, origin]) {
    for (const one of publication ? await allowancesOf(context.database, publication) : []) {
      allowed.set(one.findingId, one);
    }
  }
  for (const id of allow) {
    allowed.set(id, by);
  }
  return findings.map((finding) => judge(finding, profile, allowed.get(finding.id)));
}

function judge(
  finding: Finding,
  { gate }: HardwareProfile,
  allowance: JudgedFinding['allowance'] | undefined,
): JudgedFinding {
  if (allowance) {
    const { author, reason, createdAt } = allowance;
    return { ...finding, verdict: 'allowed', allowance: { author, reason, createdAt } };
  }
  const isWarning = gate?.warn?.some((kind) => kind === finding.kind) === true;
  return { ...finding, verdict: isWarning ? 'warning' : 'refused', allowance: null };
}

function refusal(
  { name }: HardwareProfile,
  channel: string,
  findings: readonly JudgedFinding[],
): AppError {
  const first = findings.slice(0, NAMED).map(({ message }) => message);
  const more = findings.length > NAMED ? ` And ${findings.length - NAMED} more.` : '';
  const what = findings.length === 1 ? 'One finding speaks' : `${findings.length} findings speak`;
  return new AppError(
    'publication-refused',
    `${what} against publishing this on ${channel} of ${name}. ${first.join(' ')}${more}`,
    { details: { profile: name, channel, findings, rebuild: rebuildsFor(findings) } },
  );
}

/** `category/pn:slot` of what has to be rebuilt so that findings go, each once. */
export function rebuildsFor(findings: readonly Finding[]): string[] {
  return [...new Set(findings.flatMap(({ rebuild }) => rebuild ?? []))].toSorted();
}
