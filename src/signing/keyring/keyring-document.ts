import * as z from 'zod';

const fingerprint = z.string().regex(/^[0-9A-F]{40}$/);
const time = z.number().int().min(0);

/**
 * `next`: published, does not sign yet. `current`: signs. `previous`: signs no more, what it signed stays good.
 * `revoked`: nodes refuse whatever it signed.
 */
const stateSchema = z.enum(['next', 'current', 'previous', 'revoked']);
export type KeyState = z.infer<typeof stateSchema>;

const sourceSchema = z.enum(['file', 'gpg']);
export type KeySource = z.infer<typeof sourceSchema>;

const certificateSchema = z.strictObject({
  /** Of the primary key. */
  fingerprint,
  source: sourceSchema,
  /** Armored, under the passphrase where there is one; null when gpg keeps it. */
  secret: z.string().nullable(),
  /** Armored. */
  public: z.string(),
});
export type CertificateEntry = z.infer<typeof certificateSchema>;

const keySchema = z.strictObject({
  /** Of the key that signs. */
  fingerprint,
  primaryFingerprint: fingerprint,
  state: stateSchema,
  addedAt: time,
  /** When nodes could fetch it for the first time; null: not yet. */
  publishedAt: time.nullable(),
  /** Of a `next` key: how long after its publication it takes over. */
  overlapMs: time.nullable(),
  /** Name of the work of signing again with this key, once it signs, what others have signed; null when nothing is left of it. */
  resign: z.string().nullable(),
});
export type KeyEntry = z.infer<typeof keySchema>;

/** A change that stands in the file and not yet for sure in the journal. */
const changeSchema = z.strictObject({
  id: z.string(),
  kind: z.string(),
  fingerprint,
  actor: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type KeyChange = z.infer<typeof changeSchema>;

export const keyringSchema = z.strictObject({
  version: z.literal(1),
  certificates: z.array(certificateSchema).min(1),
  keys: z.array(keySchema).min(1),
  changes: z.array(changeSchema),
});
/** Everything about the keys, in one file: each step of their life is one rename. */
export type KeyringDocument = z.infer<typeof keyringSchema>;

export function keyIn(document: KeyringDocument, state: 'next' | 'current'): KeyEntry | undefined {
  return document.keys.find((key) => key.state === state);
}

/** When the next key takes over; undefined when there is none, or nodes cannot fetch it yet. */
export function takeOverTime(document: KeyringDocument): number | undefined {
  const next = keyIn(document, 'next');
  return next === undefined || next.publishedAt === null
    ? undefined
    : next.publishedAt + (next.overlapMs ?? 0);
}

export function withCertificate(
  document: KeyringDocument,
  certificate: CertificateEntry,
): KeyringDocument {
  const others = document.certificates.filter((one) => one.fingerprint !== certificate.fingerprint);
  return { ...document, certificates: [...others, certificate] };
}

export function withKey(document: KeyringDocument, key: KeyEntry): KeyringDocument {
  const others = document.keys.filter((one) => one.fingerprint !== key.fingerprint);
  return { ...document, keys: [...others, key] };
}

export function withChange(document: KeyringDocument, change: KeyChange): KeyringDocument {
  return { ...document, changes: [...document.changes, change] };
}

/** The next key signs from now on; the one before it is kept as the previous one. */
export function takenOver(document: KeyringDocument): KeyringDocument {
  const states: Partial<Record<KeyState, KeyState>> = { next: 'current', current: 'previous' };
  return {
    ...document,
    keys: document.keys.map((key) => ({
      ...key,
      state: states[key.state] ?? key.state,
      overlapMs: null,
      resign: key.state === 'next' ? key.resign : null,
    })),
  };
}
