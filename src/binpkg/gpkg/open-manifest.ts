import { isUtf8 } from 'node:buffer';
import type { Hash } from 'node:crypto';
import type { DigestName } from '../../support/digests.ts';
import type { ByteSource } from '../byte-source.ts';
import type { PackageLimits } from '../limits.ts';
import type { PackageVerifier } from '../package-signer.ts';
import type { Container, ContainerMember } from './container.ts';
import { MANIFEST } from './layout.ts';
import { type ManifestRecord, parseManifest } from './manifest.ts';
import { MemberStream } from './member-stream.ts';
import { refusal } from './refusals.ts';
import { armoredSignature, clearSignedContent, isClearSigned } from './signed-text.ts';
import { signatureFailure } from './verify-failures.ts';

/** Where a member of the container lies, and what its bytes are. */
export interface VerifiedMember extends ContainerMember {
  /** Lowercase hex. The Manifest itself has them too, computed. */
  readonly blake2b: string;
  readonly sha512: string;
}

export interface SignatureOptions {
  readonly limits: PackageLimits;
  /** Checks the signatures. Without one, a signed package is checked for its form and digests only. */
  readonly verifier?: PackageVerifier | undefined;
  /** `required` refuses an unsigned package. Default: `if-present`, as Portage without any setting. */
  readonly signatures?: 'required' | 'if-present' | undefined;
}

export interface OpenedManifest {
  readonly records: ReadonlyMap<string, ManifestRecord>;
  readonly member: VerifiedMember;
  readonly signed: boolean;
  /** Of the key that signed it, when a verifier checked it. */
  readonly fingerprint: string | undefined;
}

/**
 * Reads the Manifest of a container and checks its signature.
 *
 * Throws `gpkg-manifest-too-large`, `gpkg-manifest-invalid`, `gpkg-unsigned`, `gpkg-signature-missing`, the codes
 * of `parseManifest`, and those of a signature that is not accepted.
 */
export async function openManifest(
  source: ByteSource,
  container: Container,
  options: SignatureOptions,
): Promise<OpenedManifest> {
  const member = memberOf(container);
  if (member.size > options.limits.manifestBytes) {
    throw refusal(
      'gpkg-manifest-too-large',
      `The Manifest has ${member.size} bytes, above the limit of ${options.limits.manifestBytes}.`,
    );
  }
  const { text, verified } = await readText(source, member);
  const clearSigned = isClearSigned(text);
  const signed = clearSigned || container.hasSignatures;
  if (!signed && options.signatures === 'required') {
    throw refusal('gpkg-unsigned', 'The package is not signed.');
  }
  if (signed && !clearSigned) {
    throw refusal('gpkg-signature-missing', 'The package is signed, but its Manifest is not.', {
      details: { name: MANIFEST },
    });
  }
  const content = clearSigned
    ? await signedContent(text, options.verifier)
    : { text, fingerprint: undefined };
  return {
    records: parseManifest(content.text),
    member: verified,
    signed,
    fingerprint: content.fingerprint,
  };
}

/** The detached signature of a member, to be checked. */
export interface MemberSignature {
  readonly armored: string;
  readonly verifier: PackageVerifier;
  /** Digests of the member that it needs besides SHA-512. */
  readonly further: readonly DigestName[];
}

/**
 * Reads the signature of a member; undefined when there is none, or no verifier. Throws `gpkg-signature-too-large`.
 */
export async function readMemberSignature(
  source: ByteSource,
  signature: ContainerMember | undefined,
  { limits, verifier }: SignatureOptions,
): Promise<MemberSignature | undefined> {
  if (signature === undefined) {
    return undefined;
  }
  const { name, offset, size } = signature;
  if (size > limits.signatureBytes) {
    throw refusal(
      'gpkg-signature-too-large',
      `${name} has ${size} bytes, above the limit of ${limits.signatureBytes}.`,
      { details: { name, size } },
    );
  }
  if (verifier === undefined) {
    return undefined;
  }
  const armored = armoredSignature(await source.read(offset, size));
  return { armored, verifier, further: verifier.furtherDigests(armored) };
}

/** Checks the signature of a member, given what was computed over its bytes. Throws the codes of one not accepted. */
export async function checkMemberSignature(
  member: ContainerMember,
  { armored, verifier }: MemberSignature,
  states: {
    readonly sha512State: Hash;
    readonly furtherStates: ReadonlyMap<DigestName, Hash>;
  },
): Promise<void> {
  try {
    await verifier.verifyState(states.sha512State, armored, states.furtherStates);
  } catch (error) {
    throw signatureFailure(error, member.name);
  }
}

/** Refuses a member whose bytes are not those of the Manifest: `gpkg-digest-mismatch`. */
export function checkDigests(
  member: ContainerMember,
  found: { readonly blake2b: string; readonly sha512: string },
  records: ReadonlyMap<string, ManifestRecord>,
): void {
  const record = records.get(member.name);
  if (record?.blake2b !== found.blake2b || record.sha512 !== found.sha512) {
    throw refusal(
      'gpkg-digest-mismatch',
      `The bytes of ${member.name} are not those of the Manifest.`,
      { details: { name: member.name, sha512: found.sha512 } },
    );
  }
}

async function signedContent(
  text: string,
  verifier: PackageVerifier | undefined,
): Promise<{ readonly text: string; readonly fingerprint: string | undefined }> {
  const unchecked = clearSignedContent(text);
  if (verifier === undefined) {
    return { text: unchecked, fingerprint: undefined };
  }
  try {
    return await verifier.verifyClearSigned(text);
  } catch (error) {
    throw signatureFailure(error, MANIFEST);
  }
}

async function readText(
  source: ByteSource,
  member: ContainerMember,
): Promise<{ readonly text: string; readonly verified: VerifiedMember }> {
  const stream = new MemberStream(source, member);
  const pieces: Buffer[] = [];
  for await (const piece of stream.pieces()) {
    pieces.push(piece);
  }
  const { blake2b, sha512 } = await stream.finish();
  const bytes = Buffer.concat(pieces);
  if (!isUtf8(bytes)) {
    throw refusal('gpkg-manifest-invalid', 'The Manifest is not UTF-8.');
  }
  return { text: bytes.toString('utf8'), verified: { ...member, blake2b, sha512 } };
}

function memberOf(container: Container): ContainerMember {
  const member = container.members.get(MANIFEST);
  if (member === undefined) {
    throw new Error('the container has lost its Manifest');
  }
  return member;
}
