import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import * as z from 'zod';
import { ALGORITHM } from './signature-packet.ts';

const ED25519_PREFIX = 0x40;
const octets = z.instanceof(Uint8Array);
const ed25519PublicSchema = z.object({
  Q: octets.refine((value) => value.length === 33 && value[0] === ED25519_PREFIX),
});
const ed25519PrivateSchema = z.object({ seed: octets.refine((value) => value.length === 32) });
const rsaPublicSchema = z.object({ n: octets, e: octets });

/** What this room needs of a key packet of OpenPGP.js. */
export interface KeyPacket {
  readonly algorithm: number;
  readonly publicParams: object;
}

/** The key as node:crypto knows it; undefined for algorithms other than Ed25519 (legacy form) and RSA. */
export function publicKeyObject(packet: KeyPacket): KeyObject | undefined {
  switch (packet.algorithm) {
    case ALGORITHM.eddsaLegacy: {
      const params = ed25519PublicSchema.safeParse(packet.publicParams);
      return params.success
        ? createPublicKey({ key: ed25519Jwk(params.data.Q), format: 'jwk' })
        : undefined;
    }
    case ALGORITHM.rsa:
    case ALGORITHM.rsaSignOnly: {
      const { n, e } = rsaPublicSchema.parse(packet.publicParams);
      return createPublicKey({ key: { kty: 'RSA', n: base64(n), e: base64(e) }, format: 'jwk' });
    }
    default:
      return undefined;
  }
}

/** The unlocked secret key, if it is Ed25519 in its legacy form. */
export function ed25519PrivateKey(
  packet: KeyPacket & { readonly privateParams?: object | null },
): KeyObject | undefined {
  const publicParams = ed25519PublicSchema.safeParse(packet.publicParams);
  const privateParams = ed25519PrivateSchema.safeParse(packet.privateParams);
  if (
    packet.algorithm !== ALGORITHM.eddsaLegacy ||
    !publicParams.success ||
    !privateParams.success
  ) {
    return undefined;
  }
  const jwk = { ...ed25519Jwk(publicParams.data.Q), d: base64(privateParams.data.seed) };
  return createPrivateKey({ key: jwk, format: 'jwk' });
}

function ed25519Jwk(point: Uint8Array): { kty: string; crv: string; x: string } {
  return { kty: 'OKP', crv: 'Ed25519', x: base64(point.subarray(1)) };
}

function base64(data: Uint8Array): string {
  return Buffer.from(data).toString('base64url');
}
