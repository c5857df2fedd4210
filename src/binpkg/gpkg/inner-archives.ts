import type { CompressionSuffix } from '../compression.ts';
import type { PackageLimits } from '../limits.ts';
import type { Container, ContainerMember } from './container.ts';
import { type InnerArchive, innerArchive } from './layout.ts';
import { refusal } from './refusals.ts';

/** A member that holds an archive. */
export interface Inner {
  readonly kind: InnerArchive['kind'];
  readonly suffix: CompressionSuffix;
  readonly member: ContainerMember;
}

/**
 * The two archives of a container. Portage would open the first of each that it meets; more than one is refused.
 *
 * Throws `gpkg-metadata-missing`, `gpkg-image-missing`, `gpkg-member-ambiguous`, `gpkg-member-uncompressed`,
 * `gpkg-metadata-too-large`.
 */
export function findInnerArchives(
  container: Container,
  limits: PackageLimits,
): { readonly metadata: Inner; readonly image: Inner } {
  const found = new Map<InnerArchive['kind'], Inner>();
  for (const member of container.members.values()) {
    const archive = innerArchive(member.name);
    if (archive !== undefined) {
      found.set(archive.kind, checked(archive, member, found.get(archive.kind)));
    }
  }
  const metadata = found.get('metadata');
  const image = found.get('image');
  if (metadata === undefined || image === undefined) {
    const kind = metadata === undefined ? 'metadata' : 'image';
    throw refusal(
      `gpkg-${kind}-missing`,
      `There is no ${kind}.tar with a suffix that Portage knows.`,
    );
  }
  checkMetadataSize(metadata.member, limits);
  return { metadata, image };
}

function checked(
  { kind, suffix }: InnerArchive,
  member: ContainerMember,
  other: Inner | undefined,
): Inner {
  if (other !== undefined) {
    throw refusal(
      'gpkg-member-ambiguous',
      `There are both ${other.member.name} and ${member.name}.`,
      { details: { names: [other.member.name, member.name] } },
    );
  }
  if (suffix === undefined) {
    throw refusal('gpkg-member-uncompressed', `${member.name} is not compressed.`, {
      details: { name: member.name },
    });
  }
  return { kind, suffix, member };
}

function checkMetadataSize({ name, size }: ContainerMember, limits: PackageLimits): void {
  const most = limits.metadataCompressedBytes;
  if (size > most) {
    throw refusal(
      'gpkg-metadata-too-large',
      `${name} has ${size} bytes, above the limit of ${most}.`,
      { details: { name, size, limit: most } },
    );
  }
}
