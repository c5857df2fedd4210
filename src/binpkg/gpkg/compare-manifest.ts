import type { Container } from './container.ts';
import { MANIFEST, MARKER, SIGNATURE_SUFFIX } from './layout.ts';
import type { ManifestRecord } from './manifest.ts';
import { refusal } from './refusals.ts';

/**
 * Whether the Manifest lists exactly the members that are there, with their sizes.
 *
 * Throws `gpkg-member-unlisted`, `gpkg-size-mismatch`, `gpkg-member-missing`.
 */
export function compareWithManifest(
  container: Container,
  records: ReadonlyMap<string, ManifestRecord>,
): void {
  for (const { name, size } of container.members.values()) {
    const record = records.get(name);
    if (name === MANIFEST) {
      continue;
    }
    if (record === undefined) {
      throw refusal('gpkg-member-unlisted', `The Manifest does not list ${name}.`, {
        details: { name },
      });
    }
    if (record.size !== size) {
      throw refusal(
        'gpkg-size-mismatch',
        `${name} has ${size} bytes, and the Manifest says ${record.size}.`,
        { details: { name, size, listed: record.size } },
      );
    }
  }
  for (const name of records.keys()) {
    if (name === MANIFEST || !container.members.has(name)) {
      throw refusal('gpkg-member-missing', `The Manifest lists ${name}, which is not there.`, {
        details: { name },
      });
    }
  }
}

/**
 * If anything is signed, everything is, but for the marker, the Manifest (signed inside) and the signatures.
 *
 * Throws `gpkg-signature-missing`.
 */
export function requireSignatures(container: Container): void {
  for (const name of container.members.keys()) {
    const exempt = name === MARKER || name === MANIFEST || name.endsWith(SIGNATURE_SUFFIX);
    if (!exempt && !container.members.has(name + SIGNATURE_SUFFIX)) {
      throw refusal('gpkg-signature-missing', `The package is signed, but ${name} is not.`, {
        details: { name },
      });
    }
  }
}
