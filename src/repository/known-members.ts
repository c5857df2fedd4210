import { MANIFEST, MARKER, SIGNATURE_SUFFIX } from '../binpkg/gpkg/layout.ts';
import type { GpkgHead } from '../binpkg/gpkg/open-gpkg.ts';
import { AppError } from '../support/errors.ts';

/**
 * Portage passes over members of a container that it does not know; here they are refused, because the farm's key would
 * vouch for bytes that nobody has looked at. The known ones are those of GLEP 78 and their signatures.
 *
 * Throws `package-unknown-member` (details: members).
 */
export function checkMembers({ members, metadataMember, imageMember }: GpkgHead): void {
  const known = [MARKER, metadataMember.name, imageMember.name, MANIFEST];
  const unknown = members
    .map(({ name }) => name)
    .filter(
      (name) => !known.includes(name) && !known.some((one) => name === one + SIGNATURE_SUFFIX),
    );
  if (unknown.length > 0) {
    throw new AppError(
      'package-unknown-member',
      `The package has members that no package of Portage has, and that would be signed with it: ${unknown.join(', ').slice(0, 300)}.`,
      { details: { members: unknown.slice(0, 20) } },
    );
  }
}
