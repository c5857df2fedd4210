import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AppError, messageOf } from '../../support/errors.ts';
import { newId } from '../../support/ids.ts';
import { Locks } from '../../support/locks.ts';
import type { RevocationCause } from '../certificate.ts';
import { findGpgKey } from '../gpg/gpg-place.ts';
import { signDetached } from '../sign-detached.ts';
import type { AnySigner } from '../signer.ts';
import { extendKeys, makeNextKey, type NewKey, revokeKeys } from './change-keyring.ts';
import {
  type KeyChange,
  type KeyEntry,
  type KeyringDocument,
  type KeySource,
  type KeyState,
  keyIn,
  takenOver,
  takeOverTime,
  withCertificate,
  withChange,
  withKey,
} from './keyring-document.ts';
import { type LoadedKeyring, loadKeyring } from './load-keyring.ts';
import {
  KEYRING_FILE,
  type KeyringOptions,
  prepareKeyring,
  readKeyring,
  writeKeyring,
} from './open-keyring.ts';

/** One key, as it may be shown to everybody. Times are milliseconds since the epoch. */
export interface KeyView {
  readonly fingerprint: string;
  readonly primaryFingerprint: string;
  readonly state: KeyState;
  readonly source: KeySource;
  readonly addedAt: number;
  /** When nodes could fetch it for the first time. */
  readonly publishedAt: number | null;
  /** When it takes over, for a `next` key that is published. */
  readonly takesOverAt: number | null;
  /** null when it does not expire. */
  readonly expiresAt: number | null;
}

/** Who changes something, and why. */
export interface KeyDeed {
  readonly actor: string;
  readonly reason: string;
}

/**
 * The farm's keys. Each change is one rename of `keyring.json`, and is in force when the call comes back. What has to
 * follow (bringing the public keys to where nodes fetch them, a line in the journal) stands in the file until
 * `markPublished` and `forgetChanges` take it out.
 */
export class Keyring {
  readonly #options: KeyringOptions;
  readonly #locks = new Locks();
  #loaded: LoadedKeyring;

  private constructor(options: KeyringOptions, loaded: LoadedKeyring) {
    this.#options = options;
    this.#loaded = loaded;
  }

  /** See `prepareKeyring` and `loadKeyring` for what it throws. */
  static async open(options: KeyringOptions): Promise<Keyring> {
    const document = await prepareKeyring(options);
    return new Keyring(options, await load(document, options));
  }

  /** The key that signs now. Hold on to it for one package: all its signatures have to be by one key. */
  signer(): AnySigner {
    return this.#loaded.current;
  }

  /** Every key that nodes should know, armored: next, current, previous and revoked ones. */
  publicKeys(): string {
    return this.#loaded.publicKeys;
  }

  views(): KeyView[] {
    const { document, facts } = this.#loaded;
    return document.keys.map((key) => {
      const expiresAt = facts.get(key.fingerprint)?.expiresAt ?? Number.POSITIVE_INFINITY;
      const { fingerprint, primaryFingerprint, state, addedAt, publishedAt } = key;
      return {
        fingerprint,
        primaryFingerprint,
        state,
        source: sourceOf(document, key),
        addedAt,
        publishedAt,
        takesOverAt: (state === 'next' ? takeOverTime(document) : undefined) ?? null,
        expiresAt: Number.isFinite(expiresAt) ? expiresAt : null,
      };
    });
  }

  /** The keys whose signatures nodes accept now: published, not revoked, not expired. Uppercase hex. */
  acceptedFingerprints(): string[] {
    const { document, facts } = this.#loaded;
    const now = this.#options.clock.now();
    return document.keys
      .filter(({ fingerprint, state, publishedAt }) => {
        const fact = facts.get(fingerprint);
        return (
          state !== 'revoked' &&
          publishedAt !== null &&
          fact !== undefined &&
          fact.refusal === undefined &&
          now < fact.expiresAt
        );
      })
      .map(({ fingerprint }) => fingerprint);
  }

  /** The keys that nodes cannot fetch yet. */
  unpublished(): readonly KeyEntry[] {
    return this.#loaded.document.keys.filter(({ publishedAt }) => publishedAt === null);
  }

  /** What the journal may not know yet. */
  changes(): readonly KeyChange[] {
    return this.#loaded.document.changes;
  }

  /** The work of signing again with the current key that is not known to be done. */
  resignTask(): string | undefined {
    return keyIn(this.#loaded.document, 'current')?.resign ?? undefined;
  }

  /**
   * Detached signatures over `data` by the current and every previous key, by fingerprint: whoever trusts one of
   * them can tell that the data come from here. An expired key, or one that gpg does not give now, makes none.
   */
  async endorse(data: Uint8Array): Promise<Map<string, string>> {
    const { document, signers } = this.#loaded;
    const now = this.#options.clock.now();
    const made = new Map<string, string>();
    for (const { fingerprint, state } of document.keys) {
      const signer = signers.get(fingerprint);
      const isAlive = signer !== undefined && (signer.expiresAt ?? Infinity) > now;
      if (isAlive && (state === 'current' || state === 'previous')) {
        const signature = await signDetached(signer, data).catch((error: unknown) => {
          const reason = messageOf(error);
          this.#options.log?.warn({ fingerprint, reason }, 'a key cannot sign the public keys');
          return undefined;
        });
        if (signature !== undefined) {
          made.set(fingerprint, signature);
        }
      }
    }
    return made;
  }

  /** Nodes can fetch these keys from now on. */
  async markPublished(fingerprints: readonly string[]): Promise<void> {
    const publishedAt = this.#options.clock.now();
    await this.#change(async ({ document }) => ({
      ...document,
      keys: document.keys.map((key) =>
        fingerprints.includes(key.fingerprint) && key.publishedAt === null
          ? { ...key, publishedAt }
          : key,
      ),
    }));
  }

  /** These stand in the journal. */
  async forgetChanges(ids: readonly string[]): Promise<void> {
    await this.#change(async ({ document }) => ({
      ...document,
      changes: document.changes.filter(({ id }) => !ids.includes(id)),
    }));
  }

  /**
   * Makes the next key. It takes over `overlapMs` after nodes can fetch it. Throws `key-rotation-under-way`,
   * `key-source-gpg`, `gpg-key-missing`, `gpg-signing-failed`.
   */
  async addNext(
    wanted: NewKey,
    deed: KeyDeed & { readonly overlapMs: number; readonly resign: boolean },
  ): Promise<void> {
    await this.#change(async (loaded) => {
      const present = keyIn(loaded.document, 'next');
      if (present !== undefined) {
        throw new AppError(
          'key-rotation-under-way',
          `The key ${present.fingerprint} is waiting to take over already; with --now it does so at once.`,
          { details: { fingerprint: present.fingerprint } },
        );
      }
      const { document, key } = await makeNextKey(loaded, wanted, this.#options);
      const { overlapMs, resign } = deed;
      const task = resign ? newId('resign') : null;
      const next = withKey(document, { ...key, overlapMs, resign: task });
      const data = { kind: wanted.kind, before: loaded.current.fingerprint, overlapMs, resign };
      return withChange(next, changeOf('key-made', key.fingerprint, deed, data));
    });
  }

  /** The next key signs from now on; nothing happens without one that nodes can fetch. */
  async takeOver(deed: KeyDeed): Promise<void> {
    await this.#change(async ({ document, current }) => {
      const next = keyIn(document, 'next');
      if (next === undefined || next.publishedAt === null) {
        return document;
      }
      const data = { before: current.fingerprint, after: next.fingerprint };
      return withChange(
        takenOver(document),
        changeOf('key-took-over', next.fingerprint, deed, data),
      );
    });
  }

  /** Asks for signing again, with the current key, what others have signed. */
  async askForResign(): Promise<void> {
    await this.#change(async ({ document }) => withCurrent(document, newId('resign')));
  }

  /** This work is done. */
  async finishResign(task: string): Promise<void> {
    await this.#change(async ({ document }) =>
      keyIn(document, 'current')?.resign === task ? withCurrent(document, null) : document,
    );
  }

  /** Whether the overlap is over. */
  isTakeOverDue(): boolean {
    const time = takeOverTime(this.#loaded.document);
    return time !== undefined && this.#options.clock.now() >= time;
  }

  /** Every key that is not revoked ends `days` from now, or later where it did so already. Throws `key-source-gpg`. */
  async extend(days: number, deed: KeyDeed): Promise<void> {
    await this.#change(async (loaded) => {
      const document = await extendKeys(loaded, days, this.#options);
      const { fingerprint, expiresAt } = loaded.current;
      const data = { before: expiresAt, days };
      return withChange(document, changeOf('key-extended', fingerprint, deed, data));
    });
  }

  /**
   * Nodes refuse everything that this key has signed, once they have the public keys again. The fingerprint of a
   * primary key stands for all its keys. Throws `unknown-key`, `key-in-use`, `key-source-gpg`.
   */
  async revoke(
    fingerprint: string,
    deed: KeyDeed & { readonly cause: RevocationCause },
  ): Promise<void> {
    await this.#change(async (loaded) => {
      const { cause, reason } = deed;
      const document = await revokeKeys(loaded, { fingerprint, cause, reason }, this.#options);
      return withChange(document, changeOf('key-revoked', fingerprint, deed, { cause }));
    });
  }

  /** Fetches the public halves of gpg's keys anew: their end may have been moved with gpg. Throws what `findGpgKey` throws. */
  async refreshFromGpg(): Promise<void> {
    const { gpg } = this.#options;
    const entries = this.#loaded.document.certificates.filter(({ source }) => source === 'gpg');
    for (const { fingerprint, ...entry } of gpg === undefined ? [] : entries) {
      const key = gpg === undefined ? undefined : await findGpgKey(gpg, fingerprint);
      if (key !== undefined && key.publicKey !== entry.public) {
        await this.#change(async ({ document }) =>
          withCertificate(document, { ...entry, fingerprint, public: key.publicKey }),
        );
      }
    }
  }

  /** Takes in what another process has written, where several share the folder. */
  async reload(): Promise<void> {
    await this.#locks.run('keyring', async () => {
      await this.#reload();
    });
  }

  async #reload(): Promise<void> {
    const document = await readKeyring(this.#options.folder);
    if (document !== undefined && !isDeepStrictEqual(document, this.#loaded.document)) {
      this.#loaded = await load(document, this.#options);
    }
  }

  async #change(edit: (loaded: LoadedKeyring) => Promise<KeyringDocument>): Promise<void> {
    await this.#locks.run('keyring', async () => {
      await this.#reload();
      const document = await edit(this.#loaded);
      if (document === this.#loaded.document) {
        return;
      }
      const loaded = await load(document, this.#options);
      await writeKeyring(this.#options.folder, document);
      this.#loaded = loaded;
    });
  }
}

async function load(document: KeyringDocument, options: KeyringOptions): Promise<LoadedKeyring> {
  const { folder, passphrase, gpg, clock } = options;
  return await loadKeyring(document, { path: join(folder, KEYRING_FILE), passphrase, gpg, clock });
}

function withCurrent(document: KeyringDocument, resign: string | null): KeyringDocument {
  const keys = document.keys.map((key) => (key.state === 'current' ? { ...key, resign } : key));
  return { ...document, keys };
}

function changeOf(
  kind: string,
  fingerprint: string,
  { actor, reason }: KeyDeed,
  data: Readonly<Record<string, unknown>>,
): KeyChange {
  return { id: newId('change'), kind, fingerprint, actor, data: { ...data, reason } };
}

function sourceOf(document: KeyringDocument, key: KeyEntry): KeySource {
  const certificate = document.certificates.find(
    ({ fingerprint }) => fingerprint === key.primaryFingerprint,
  );
  return certificate?.source ?? 'file';
}
