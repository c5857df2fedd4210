import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { formatPackagesIndex, parsePackagesIndex } from '../../gentoo/packages-index.ts';
import { isErrno, messageOf } from '../../support/errors.ts';
import { exists, readSymlink } from '../../support/files.ts';
import { channelTarget, PACKAGES, publicationName } from '../layout.ts';
import type { PackageRecord } from '../package-record.ts';
import { findPublication, newestPublication, publishedChannels } from '../publication-store.ts';
import { withChannels } from '../release-snapshot.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { packagesOfSnapshot } from '../snapshot-store.ts';
import type { CheckFinding } from './check-report.ts';
import { allPublications, type PlacedPublication } from './check-store.ts';

type Told = Pick<RepositoryContext, 'database' | 'layout'>;

/**
 * Compares the folder of every publication with its row: index, its compressed form, TIMESTAMP, times and links of
 * categories. The packages themselves are looked at apart. Returns how many there are.
 */
export async function checkPublications(
  context: Told,
  tell: {
    readonly onFinding: (finding: CheckFinding) => void;
    readonly onStep: (done: number, total: number) => void;
  },
): Promise<number> {
  const publications = await allPublications(context.database);
  let shown: { readonly id: string; readonly packages: readonly PackageRecord[] } | undefined;
  for (const [position, publication] of publications.entries()) {
    tell.onStep(position, publications.length);
    const { snapshotId, profile, channel, serial } = publication;
    if (shown?.id !== snapshotId) {
      const packages = await packagesOfSnapshot(context.database, snapshotId);
      shown = { id: snapshotId, packages };
    }
    const fault = await faultOf(context, publication, shown.packages);
    if (fault !== undefined && (await findPublication(context.database, publication))) {
      tell.onFinding({
        ...fault,
        subject: `publication:${profile}/${publicationName(channel, serial)}`,
        outcome: 'reported',
      });
    }
  }
  tell.onStep(publications.length, publications.length);
  return publications.length;
}

type Fault = Pick<CheckFinding, 'code' | 'message'>;

function damaged(message: string): Fault {
  return { code: 'publication-damaged', message };
}

async function faultOf(
  { layout }: Told,
  publication: PlacedPublication,
  packages: readonly PackageRecord[],
): Promise<Fault | undefined> {
  const { profile, channel, serial, timestampSeconds } = publication;
  const folder = layout.publication(profile, channel, serial);
  if (!(await exists(folder))) {
    return { code: 'publication-missing', message: 'Its folder is not there.' };
  }
  try {
    const bytes = await readFile(join(folder, 'Packages'));
    const packed = await readFile(join(folder, 'Packages.gz'));
    if (!(await promisify(gunzip)(packed)).equals(bytes)) {
      return damaged('Packages.gz does not hold what Packages holds.');
    }
    const fault = faultOfIndex(bytes.toString('utf8'), timestampSeconds, packages);
    return fault === undefined ? await faultOfFiles(folder, publication, packages) : damaged(fault);
  } catch (error) {
    if (isErrno(error, 'EMFILE') || isErrno(error, 'ENFILE')) {
      throw error;
    }
    return damaged(`Its index cannot be read: ${messageOf(error)}.`);
  }
}

function faultOfIndex(
  text: string,
  timestampSeconds: number,
  packages: readonly PackageRecord[],
): string | undefined {
  const { header } = parsePackagesIndex(text.slice(0, text.indexOf('\n\n') + 1));
  if (header.get('TIMESTAMP') !== String(timestampSeconds)) {
    return `Its TIMESTAMP is ${header.get('TIMESTAMP')} instead of ${timestampSeconds}.`;
  }
  const stanzas = packages.map(({ stanza }) => stanza);
  return formatPackagesIndex(Object.fromEntries(header), stanzas) === text
    ? undefined
    : 'Its index has other entries than its packages.';
}

async function faultOfFiles(
  folder: string,
  { timestampSeconds }: PlacedPublication,
  packages: readonly PackageRecord[],
): Promise<Fault | undefined> {
  for (const name of ['Packages', 'Packages.gz']) {
    const { mtimeMs } = await stat(join(folder, name));
    if (mtimeMs !== timestampSeconds * 1000) {
      const message = `The modification time of ${name} is not its TIMESTAMP.`;
      return damaged(message);
    }
  }
  for (const category of new Set(packages.map((one) => one.category))) {
    const target = await readSymlink(join(folder, category));
    if (target !== `../../${PACKAGES}/${category}`) {
      const message = `Its link ${category} leads to ${target ?? 'nothing'}.`;
      return damaged(message);
    }
  }
  return undefined;
}

/** Whether every channel shows its newest publication. */
export async function checkChannels(
  context: RepositoryContext,
  onFinding: (finding: CheckFinding) => void,
): Promise<void> {
  for (const key of await publishedChannels(context.database)) {
    await withChannels(context, key.profile, async () => {
      const newest = await newestPublication(context.database, key);
      const shown = await readSymlink(context.layout.channel(key.profile, key.channel));
      if (newest !== undefined && shown !== channelTarget(key.channel, newest.serial)) {
        onFinding({
          code: 'channel-misplaced',
          subject: `channel:${key.profile}/${key.channel}`,
          message: `It shows ${shown ?? 'nothing'} instead of number ${newest.serial}.`,
          outcome: 'reported',
        });
      }
    });
  }
}
