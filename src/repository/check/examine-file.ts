import { copyFile, utimes } from 'node:fs/promises';
import { relative } from 'node:path';
import { findPackage } from '../package-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import type { CheckFinding } from './check-report.ts';
import { type PlacedPackage, packagesOfFile } from './check-store.ts';
import { recordDamage, recordRestored } from './damage-record.ts';
import { type FileName, faultOfBytes, lookAt } from './file-names.ts';
import { findCopy } from './find-copy.ts';
import { moveToQuarantine } from './quarantine.ts';
import { writeQuarantineNote } from './quarantine-note.ts';

export interface Examiner {
  readonly context: RepositoryContext;
  /** On whose behalf, for the journal. */
  readonly actor: string;
  readonly onFinding: (finding: CheckFinding) => void;
  /** Told of every piece that was read; may throw to stop. */
  readonly onBytes: (count: number) => void;
}

interface Subject {
  readonly packages: readonly PlacedPackage[];
  readonly expected: PlacedPackage;
  readonly names: readonly FileName[];
  /** What is wrong with the bytes behind a name, by identity; undefined for the right ones. */
  readonly faults: ReadonlyMap<string, string | undefined>;
}

/**
 * Reads all bytes of a file of the pool under every name it has, and puts right what can be: a damaged name goes into
 * quarantine, a missing one is made again from one that is whole, from `offered` or from the drop folder. When no copy
 * is left, the packages are damaged from now on.
 *
 * Returns whether the file is whole now; undefined when no package is that file any more.
 */
export async function examineFile(
  examiner: Examiner,
  sha512: string,
  offered: readonly string[] = [],
): Promise<boolean | undefined> {
  const { context } = examiner;
  return await context.locks.run(`repository-file:${sha512}`, async () => {
    const packages = await packagesOfFile(context.database, sha512);
    const [expected] = packages;
    if (expected === undefined) {
      return undefined;
    }
    const names = await Promise.all(namesOf(context, sha512, packages).map(lookAt));
    const faults = await judge(names, expected, examiner.onBytes);
    const subject = { packages, expected, names, faults };
    const whole = names.find((name) => isWhole(subject, name));
    const copy =
      whole === undefined
        ? await findCopy(context, expected, offered, examiner.onBytes)
        : undefined;
    const source = whole?.path ?? copy;
    if (source === undefined) {
      await giveUp(examiner, subject);
      return false;
    }
    await setAside(context, subject, 'Another copy was whole.');
    await putRight(context, subject, source);
    for (const name of names) {
      reportName(examiner, subject, name, source);
    }
    await recordRestored(context, {
      packages,
      from: labelOf(context, source),
      actor: examiner.actor,
    });
    return true;
  });
}

function namesOf(
  { layout, pool }: RepositoryContext,
  sha512: string,
  packages: readonly PlacedPackage[],
): FileName[] {
  return [
    { path: pool.pathOf(sha512), subject: `pool:${sha512}`, isPool: true },
    ...packages.map(({ profile, path }) => ({
      path: layout.packageFile(profile, path),
      subject: `package:${profile}/${path}`,
      isPool: false,
    })),
  ];
}

async function judge(
  names: readonly FileName[],
  expected: PlacedPackage,
  onBytes: (count: number) => void,
): Promise<Map<string, string | undefined>> {
  const faults = new Map<string, string | undefined>();
  for (const { path, stats } of names) {
    if (stats !== undefined && !faults.has(stats.identity)) {
      const fault = stats.isFile
        ? await faultOfBytes(path, expected, onBytes)
        : 'It is not a regular file.';
      faults.set(stats.identity, fault);
    }
  }
  return faults;
}

function isWhole({ faults }: Subject, { stats }: FileName): boolean {
  return stats !== undefined && faults.get(stats.identity) === undefined;
}

/** Moves every name with wrong bytes away, after a note that says what and why. */
async function setAside(
  context: RepositoryContext,
  subject: Subject,
  outcome: string,
): Promise<void> {
  const wrong = subject.names.filter((name) => name.stats !== undefined && !isWhole(subject, name));
  if (wrong.length === 0) {
    return;
  }
  const records = await Promise.all(
    subject.packages.map(async ({ id }) => await findPackage(context.database, id)),
  );
  const target = await writeQuarantineNote(context.layout.quarantine, {
    at: context.clock.now(),
    sha512: subject.expected.sha512,
    reason: firstFault(subject),
    outcome,
    names: wrong.map((name) => name.subject),
    packages: records.filter((record) => record !== undefined),
  });
  await moveToQuarantine(wrong, target);
}

function firstFault({ faults }: Subject): string {
  return [...faults.values()].find((fault) => fault !== undefined) ?? 'No file of it is left.';
}

/** Gives every name the bytes of `source`, as links to one file where that is possible. */
async function putRight(
  { pool, unfinished }: RepositoryContext,
  subject: Subject,
  source: string,
): Promise<void> {
  const { expected, names } = subject;
  const { sha512, mtimeSeconds } = expected;
  const pooled = names.find(({ isPool }) => isPool);
  if (pooled === undefined || !isWhole(subject, pooled)) {
    if (names.some(({ path }) => path === source)) {
      await pool.takeIn(sha512, source);
    } else {
      const temporary = await unfinished.newPath('restored');
      try {
        await copyFile(source, temporary);
        await pool.adopt(temporary, { sha512, mtimeSeconds });
      } finally {
        await unfinished.discard(temporary);
      }
    }
  }
  const poolPath = pool.pathOf(sha512);
  await utimes(poolPath, mtimeSeconds, mtimeSeconds);
  for (const name of names.filter(({ isPool }) => !isPool)) {
    if (!isWhole(subject, name)) {
      await pool.place(sha512, name.path);
    } else {
      const temporary = await unfinished.newPath('link');
      if (!(await pool.linkAgain(sha512, name.path, temporary))) {
        await utimes(name.path, mtimeSeconds, mtimeSeconds);
      }
      await unfinished.discard(temporary);
    }
  }
}

function reportName(
  { context, onFinding }: Examiner,
  subject: Subject,
  name: FileName,
  source: string,
): void {
  const from = `Restored from ${labelOf(context, source)}.`;
  const { stats } = name;
  const pooled = subject.names.find(({ isPool }) => isPool);
  const tell = (code: string, message: string, outcome: 'restored' | 'repaired'): void => {
    onFinding({ code, subject: name.subject, message, outcome });
  };
  if (stats === undefined) {
    tell('file-missing', `It was not there. ${from}`, 'restored');
  } else if (!isWhole(subject, name)) {
    const fault = subject.faults.get(stats.identity) ?? '';
    tell('file-damaged', `${fault} ${from} The damaged file is in quarantine.`, 'restored');
  } else if (stats.mtimeSeconds !== subject.expected.mtimeSeconds) {
    const wanted = new Date(subject.expected.mtimeSeconds * 1000).toISOString();
    tell('file-time', `Its modification time was not ${wanted}, as its index says.`, 'repaired');
  } else if (
    !name.isPool &&
    pooled?.stats !== undefined &&
    isWhole(subject, pooled) &&
    stats.identity !== pooled.stats.identity &&
    stats.device === pooled.stats.device
  ) {
    tell('file-not-linked', 'It was a second copy of the file in the pool.', 'repaired');
  }
}

/** A path as it may be told: relative to the folders of the installation. */
function labelOf({ layout }: RepositoryContext, path: string): string {
  const places = { binhost: layout.binhosts, incoming: layout.incoming, pool: layout.pool };
  for (const [name, folder] of Object.entries(places)) {
    if (path.startsWith(`${folder}/`)) {
      return `${name}/${relative(folder, path)}`;
    }
  }
  return 'what was pushed';
}

async function giveUp(examiner: Examiner, subject: Subject): Promise<void> {
  const { context, actor, onFinding } = examiner;
  const { names, packages, expected } = subject;
  const isLeft = names.some(({ stats }) => stats !== undefined);
  const reason = await recordDamage(context, {
    packages,
    sha512: expected.sha512,
    reason: firstFault(subject),
    isNews: isLeft,
    actor,
  });
  await setAside(context, subject, 'No other copy was found.');
  for (const { profile, path } of packages) {
    onFinding({
      code: isLeft ? 'file-damaged' : 'file-missing',
      subject: `package:${profile}/${path}`,
      message: `${reason} Push the same signed file again to restore it.`,
      outcome: 'damaged',
    });
  }
}
