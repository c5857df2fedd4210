import { isAppError } from '../../support/errors.ts';
import { SourceInput } from '../archive/byte-input.ts';
import { BLOCK_BYTES, tarMagic } from '../archive/tar-header.ts';
import { type TarEntry, TarReader } from '../archive/tar-reader.ts';
import type { ByteSource } from '../byte-source.ts';
import type { PackageLimits } from '../limits.ts';
import { MANIFEST, MARKER, SIGNATURE_SUFFIX } from './layout.ts';
import { refusal } from './refusals.ts';

/** A member by its place. */
export interface ContainerMember {
  /** Without the base. */
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

export interface Container {
  readonly base: string;
  /** In container order. */
  readonly members: ReadonlyMap<string, ContainerMember>;
  /** Whether any member is a signature. */
  readonly hasSignatures: boolean;
}

/**
 * Walks the headers of a container and checks its form (`portage/gpkg.py:_verify_binpkg` up to the Manifest).
 *
 * Throws `gpkg-not-a-package`, `gpkg-container-damaged`, `gpkg-too-many-members`, `gpkg-marker-missing`,
 * `gpkg-member-path`, `gpkg-base-mismatch`, `gpkg-member-duplicate`, `gpkg-member-not-file`,
 * `gpkg-manifest-missing`, `gpkg-signature-order`.
 */
export async function readContainer(source: ByteSource, limits: PackageLimits): Promise<Container> {
  const first = await source.read(0, BLOCK_BYTES);
  if (first.length < BLOCK_BYTES || tarMagic(first) === 'v7') {
    throw refusal(
      'gpkg-not-a-package',
      'The file does not begin with a ustar, pax or GNU tar header.',
    );
  }
  const members = new Map<string, ContainerMember>();
  let base: string | undefined;
  const reader = new TarReader(new SourceInput(source), limits);
  for (let entry = await next(reader); entry !== undefined; entry = await next(reader)) {
    if (members.size >= limits.members) {
      throw refusal(
        'gpkg-too-many-members',
        `The container has more than ${limits.members} members.`,
      );
    }
    const { folder, name } = takeApart(entry);
    base ??= folder;
    checkMember({ entry, folder, name, base }, members);
    members.set(name, { name, offset: entry.offset, size: entry.size });
  }
  const hasSignatures = [...members.keys()].some((name) => name.endsWith(SIGNATURE_SUFFIX));
  requireMembers(members);
  checkSignatureOrder([...members.keys()]);
  return { base: base ?? '', members, hasSignatures };
}

async function next(reader: TarReader): Promise<TarEntry | undefined> {
  try {
    return await reader.next();
  } catch (error) {
    if (isAppError(error)) {
      throw refusal('gpkg-container-damaged', `The container is damaged: ${error.message}`, {
        cause: error,
      });
    }
    throw error;
  }
}

function takeApart(entry: TarEntry): { readonly folder: string; readonly name: string } {
  const [folder, name, ...deeper] = entry.path.split('/');
  if (!isSegment(folder) || !isSegment(name) || deeper.length > 0) {
    throw refusal(
      'gpkg-member-path',
      `The member ${JSON.stringify(entry.path)} is not exactly one folder deep.`,
      { details: { path: entry.path } },
    );
  }
  return { folder, name };
}

function isSegment(text: string | undefined): text is string {
  return text !== undefined && /^[^\p{Cc}]+$/u.test(text) && text !== '.' && text !== '..';
}

function checkMember(
  at: {
    readonly entry: TarEntry;
    readonly folder: string;
    readonly name: string;
    readonly base: string;
  },
  members: ReadonlyMap<string, ContainerMember>,
): void {
  const { entry, folder, name, base } = at;
  const details = { path: entry.path };
  if (entry.type !== 'file') {
    throw refusal('gpkg-member-not-file', `The member ${entry.path} is a ${entry.type}.`, {
      details,
    });
  }
  if (folder !== base) {
    throw refusal(
      'gpkg-base-mismatch',
      `The member ${entry.path} does not lie in ${base}/ like the first one.`,
      { details },
    );
  }
  if (members.has(name)) {
    throw refusal('gpkg-member-duplicate', `The member ${entry.path} is there twice.`, { details });
  }
}

function requireMembers(members: ReadonlyMap<string, ContainerMember>): void {
  if (!members.has(MARKER)) {
    throw refusal('gpkg-marker-missing', `The container has no member called ${MARKER}.`);
  }
  if (!members.has(MANIFEST)) {
    throw refusal('gpkg-manifest-missing', `The container has no member called ${MANIFEST}.`);
  }
}

/** Portage looks for a signature among the members that it has not passed yet. */
function checkSignatureOrder(names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const signed = name.endsWith(SIGNATURE_SUFFIX) ? name.slice(0, -SIGNATURE_SUFFIX.length) : name;
    if (signed !== name && names.indexOf(signed) > index) {
      throw refusal('gpkg-signature-order', `The signature ${name} stands before ${signed}.`, {
        details: { name },
      });
    }
  }
}
