import { parseCpv } from '../../gentoo/cpv.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { Event } from '../../journal/event.ts';
import { requireChannel } from '../channel.ts';
import { slotKey } from '../snapshot-contents.ts';
import { choicesOfSnapshot } from '../snapshot-store.ts';
import { type Comparison, compareInstalled, type PublishedBuild } from './compare-installed.ts';
import { counted, ofChecks } from './judge-proof.ts';
import type {
  InstalledPackage,
  NodeProof,
  NodeRecord,
  NodeReport,
  ReportedSystem,
} from './node-report.ts';
import { buildsOf, proofsOf, publicationAt, replaceProof, replaceReport } from './node-store.ts';
import type { ProofContext } from './proof-context.ts';
import { keepServices, removeUnusedServices } from './system-store.ts';

const KEPT_DIFFERENCES = 50;
const SHOWN_DIFFERENCES = 10;

export interface ReportOutcome {
  readonly record: NodeRecord;
  /** Whether it is proof that the node has the publication, and that its checks passed. */
  readonly counts: boolean;
  /** What the node is told. */
  readonly answer: string;
}

/**
 * Takes in what a node tells about itself. It counts as proof of a publication when the node has the publication's
 * index, each installed package that the publication has in this category/pn:slot is that very build, there is
 * at least one, and no check failed. One that does not count takes an earlier proof of the same publication back.
 * The time is that of the server.
 *
 * Throws `unknown-profile`, `unknown-channel`, `invalid-cpv`.
 */
export async function reportNode(
  context: ProofContext,
  report: NodeReport,
  actor: string,
): Promise<ReportOutcome> {
  const profile = context.profiles.get(report.profile);
  requireChannel(profile, report.channel);
  return await context.locks.run(`node-report:${report.node}`, async () => {
    const finding = await examine(context, profile, report);
    const event = await keep(context, { report, finding, actor });
    if (event !== undefined) {
      context.journal.announce(event);
    }
    const { record, reasons } = finding;
    return { record, counts: reasons.length === 0, answer: answerOf(finding) };
  });
}

interface Finding extends Comparison {
  readonly record: NodeRecord;
  /** Why it does not count. */
  readonly reasons: readonly string[];
}

async function examine(
  context: ProofContext,
  { name: profile }: HardwareProfile,
  report: NodeReport,
): Promise<Finding> {
  const { node, channel, timestampSeconds, installed, checks } = report;
  const publication =
    timestampSeconds === null
      ? undefined
      : await publicationAt(context.database, { profile, channel }, timestampSeconds);
  const keyed = installed.map((one) => [keyOf(one), one] as const);
  const published =
    publication === undefined
      ? new Map<string, PublishedBuild[]>()
      : await publishedBuilds(context, publication.snapshotId, new Set(keyed.map(([key]) => key)));
  const { same, differences } = compareInstalled(keyed, published);
  const record: NodeRecord = {
    node,
    profile,
    channel,
    timestampSeconds,
    serial: publication?.serial ?? null,
    reportedAt: context.clock.now(),
    installedCount: installed.length,
    checks,
    differs: differences.length,
    differences: differences.slice(0, KEPT_DIFFERENCES),
    php: report.php,
    system: systemOf(report),
  };
  return { same, differences, record, reasons: reasonsAgainst(record, same) };
}

function systemOf({ system }: NodeReport): ReportedSystem | null {
  if (system === undefined) {
    return null;
  }
  const { services: _, ...rest } = system;
  return rest;
}

/** Throws `invalid-cpv`. */
function keyOf({ cpv, slot }: InstalledPackage): string {
  const { category, pn } = parseCpv(cpv);
  return slotKey({ category, pn, slot });
}

/** What a snapshot has of these category/pn:slot. */
async function publishedBuilds(
  { database }: ProofContext,
  snapshotId: string,
  keys: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly PublishedBuild[]>> {
  const choices = (await choicesOfSnapshot(database, snapshotId)).filter((choice) =>
    keys.has(slotKey(choice)),
  );
  const builds = await buildsOf(
    database,
    choices.map(({ id }) => id),
  );
  const published = new Map<string, PublishedBuild[]>();
  for (const choice of choices) {
    const build = builds.get(choice.id);
    if (build !== undefined) {
      const key = slotKey(choice);
      published.set(key, [...(published.get(key) ?? []), build]);
    }
  }
  return published;
}

function reasonsAgainst(record: NodeRecord, same: number): string[] {
  const { profile, channel, timestampSeconds, serial, differs, differences, checks } = record;
  if (timestampSeconds === null) {
    return [`Portage has fetched no index of ${channel} of ${profile} yet`];
  }
  if (serial === null) {
    return [`no publication of ${channel} of ${profile} has the TIMESTAMP ${timestampSeconds}`];
  }
  const failed = checks.filter(({ passed }) => !passed);
  const more = differs > SHOWN_DIFFERENCES ? `; and ${differs - SHOWN_DIFFERENCES} more` : '';
  const shown = differences.slice(0, SHOWN_DIFFERENCES).join('; ');
  return [
    ...(differs > 0 ? [`${counted(differs, 'package')} differ: ${shown}${more}`] : []),
    ...(differs === 0 && same === 0 ? ['nothing of it is installed'] : []),
    ...failed.map(({ name, output }) => `the check ${name} failed${explained(output)}`),
  ];
}

function explained(output: string): string {
  const line = output.trim().split('\n', 1)[0] ?? '';
  return line === '' ? '' : ` (${line.slice(0, 200)})`;
}

/** Writes the report and what it proves; returns the event when the node's word on the publication is a new one. */
async function keep(
  context: ProofContext,
  {
    report,
    finding: { record, reasons },
    actor,
  }: { readonly report: NodeReport; readonly finding: Finding; readonly actor: string },
): Promise<Event | undefined> {
  const { node, profile, channel, serial, checks, reportedAt } = record;
  return await context.database.transaction().execute(async (queries) => {
    const services = report.system?.services ?? null;
    const digest = services === null ? null : await keepServices(queries, services);
    await replaceReport(queries, record, report.installed, digest);
    await removeUnusedServices(queries);
    if (serial === null) {
      return undefined;
    }
    const key = { profile, channel, serial };
    const before = (await proofsOf(queries, key)).find((proof) => proof.node === node);
    const proof = nextProof(record, reasons.length === 0, before);
    await replaceProof(queries, key, proof);
    const hadPassed = (before?.passedSince ?? null) !== null;
    if (before !== undefined && hadPassed === (proof.passedSince !== null)) {
      return undefined;
    }
    return await context.journal.write(queries, {
      kind: proof.passedSince === null ? 'node-failed' : 'node-passed',
      subject: `node:${node}`,
      actor,
      data: {
        ...key,
        reportedAt,
        checks: checks.map(({ name, passed }) => ({ name, passed })),
        ...(reasons.length > 0 && { reasons, withdrawn: hadPassed }),
      },
    });
  });
}

function nextProof(
  { node, checks, reportedAt }: NodeRecord,
  counts: boolean,
  before: NodeProof | undefined,
): NodeProof {
  const since = new Map(before?.checks.map(({ name, passedSince }) => [name, passedSince]));
  return {
    node,
    passedSince: counts ? (before?.passedSince ?? reportedAt) : null,
    lastReportedAt: reportedAt,
    checks: checks
      .filter(({ passed }) => passed)
      .map(({ name }) => ({ name, passedSince: since.get(name) ?? reportedAt })),
  };
}

function answerOf({ record, reasons, same }: Finding): string {
  const { node, profile, channel, serial, checks } = record;
  if (reasons.length > 0) {
    const what = serial === null ? '' : ` for publication ${serial} of ${profile}/${channel}`;
    return `${node} does not count${what}: ${reasons.join('; ')}.`;
  }
  const names = checks.map(({ name }) => name);
  const passed = names.length === 0 ? 'no checks were run' : `${ofChecks(names)} passed`;
  return `${node} has publication ${serial} of ${profile}/${channel}: ${counted(same, 'package')} as published, ${passed}.`;
}
