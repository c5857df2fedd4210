import { join } from 'node:path';
import { createLayout, PUBLICATIONS, publicationName } from '../../repository/layout.ts';
import type { PublicationRecord } from '../../repository/publication.ts';
import { digestFile } from '../../support/digests.ts';
import type { PublicationRef } from './artefact.ts';

/** A publication with what identifies its content: the SHA-256 of the index that nodes read. */
export async function publicationRef(
  folders: { readonly state: string; readonly mirrorRoot: string },
  { profile, channel, serial }: Pick<PublicationRecord, 'profile' | 'channel' | 'serial'>,
): Promise<PublicationRef> {
  const folder = createLayout(folders).publication(profile, channel, serial);
  const { digests } = await digestFile(join(folder, 'Packages'), ['sha256']);
  return {
    profile,
    channel,
    serial,
    digest: digests.of('sha256'),
    path: `/binhost/${profile}/${PUBLICATIONS}/${publicationName(channel, serial)}`,
  };
}
