import { join } from 'node:path';
import { ensureInside } from '../support/files.ts';

/** Where the repository keeps things. Nothing else in the room joins a path below these folders by hand. */
export interface Layout {
  readonly pool: string;
  readonly uploads: string;
  readonly staging: string;
  /** Notes about work that is under way; see `intents.ts`. */
  readonly intents: string;
  /** What was damaged, put aside with a note; see `check/quarantine.ts`. */
  readonly quarantine: string;
  /** Notes of publications, one folder for each profile; see `publication-note.ts`. */
  readonly publicationNotes: string;
  /** The public keys that nodes trust. */
  readonly keys: string;
  /** The drop folder. */
  readonly incoming: string;
  readonly binhosts: string;
  binhost(profile: string): string;
  packages(profile: string): string;
  /** A package of a profile by its PATH. */
  packageFile(profile: string, path: string): string;
  publications(profile: string): string;
  publication(profile: string, channel: string, serial: number): string;
  /** What the index of a publication does not say, outside of what is served. */
  publicationNote(profile: string, channel: string, serial: number): string;
  /** The symbolic link that clients of a channel follow. */
  channel(profile: string, channel: string): string;
}

export const PUBLICATIONS = '.publications';
export const PACKAGES = 'packages';

export function createLayout(folders: {
  readonly state: string;
  readonly mirrorRoot: string;
}): Layout {
  const binhosts = join(folders.mirrorRoot, 'binhost');
  const binhost = (profile: string): string => ensureInside(binhosts, profile);
  const packages = (profile: string): string => join(binhost(profile), PACKAGES);
  const publicationNotes = join(folders.state, 'publications');
  const publications = (profile: string): string => join(binhost(profile), PUBLICATIONS);
  return {
    pool: join(folders.state, 'pool'),
    uploads: join(folders.state, 'uploads'),
    staging: join(folders.state, 'staging'),
    intents: join(folders.state, 'intents'),
    quarantine: join(folders.state, 'quarantine'),
    publicationNotes,
    keys: join(folders.mirrorRoot, 'keys'),
    incoming: join(folders.mirrorRoot, 'incoming'),
    binhosts,
    binhost,
    packages,
    packageFile: (profile, path) => ensureInside(packages(profile), path),
    publications,
    publication: (profile, channel, serial) =>
      ensureInside(publications(profile), publicationName(channel, serial)),
    publicationNote: (profile, channel, serial) =>
      ensureInside(
        ensureInside(publicationNotes, profile),
        `${publicationName(channel, serial)}.json`,
      ),
    channel: (profile, channel) => ensureInside(binhost(profile), channel),
  };
}

export function publicationName(channel: string, serial: number): string {
  return `${channel}-${serial}`;
}

/** The channel and serial that the name of a publication's folder says, or undefined for any other name. */
export function publicationOf(
  name: string,
): { readonly channel: string; readonly serial: number } | undefined {
  const dash = name.lastIndexOf('-');
  const channel = name.slice(0, Math.max(0, dash));
  const serial = channel === '' || channel.startsWith('.') ? undefined : serialOf(channel, name);
  return serial === undefined ? undefined : { channel, serial };
}

/** The serial in the name of a publication's folder, or undefined when it is not one of this channel. */
export function serialOf(channel: string, name: string): number | undefined {
  const serial = name.startsWith(`${channel}-`) ? name.slice(channel.length + 1) : '';
  return /^[1-9][0-9]{0,14}$/.test(serial) ? Number(serial) : undefined;
}

/** What the link of a channel holds while it shows this serial. */
export function channelTarget(channel: string, serial: number): string {
  return `${PUBLICATIONS}/${publicationName(channel, serial)}`;
}
