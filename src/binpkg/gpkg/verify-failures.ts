import { isAppError, messageOf } from '../../support/errors.ts';
import type { ContainerMember } from './container.ts';
import { type GpkgRefusal, refusal } from './refusals.ts';

/** What went wrong inside an inner archive, in the words of a refusal. */
export function innerFailure(
  error: unknown,
  inner: { readonly kind: 'metadata' | 'image'; readonly member: ContainerMember },
): unknown {
  if (!isAppError(error) || error.code.startsWith('gpkg-')) {
    return error;
  }
  const code = innerCode(error.code, inner.kind);
  if (code === undefined) {
    return error;
  }
  return refusal(code, `${inner.member.name} is refused: ${error.message}`, {
    cause: error,
    details: { ...error.details, name: inner.member.name, reason: error.code },
  });
}

const SIGNATURE_REFUSALS: Readonly<Record<string, GpkgRefusal>> = {
  'signature-invalid': 'gpkg-signature-invalid',
  'signature-unknown-key': 'gpkg-signature-unknown-key',
  'signature-expired-key': 'gpkg-signature-expired-key',
};

/** A signature that was not accepted. Anything but the codes of a `PackageVerifier` is thrown on as it is. */
export function signatureFailure(error: unknown, name: string): unknown {
  const code = isAppError(error) ? SIGNATURE_REFUSALS[error.code] : undefined;
  if (code === undefined) {
    return error;
  }
  return refusal(code, `The signature of ${name} is not accepted: ${messageOf(error)}`, {
    cause: error,
    details: { name },
  });
}

function innerCode(code: string, kind: 'metadata' | 'image'): GpkgRefusal | undefined {
  if (code === 'decompression-too-large') {
    return `gpkg-${kind}-too-large`;
  }
  if (code === 'decompression-ratio') {
    return 'gpkg-ratio-exceeded';
  }
  const damaged = code === 'decompression-failed' || code.startsWith('tar-');
  return damaged ? `gpkg-${kind}-damaged` : undefined;
}
