import type { Journal } from '../journal/journal.ts';
import type { KeyDeed, Keyring, KeyView } from '../signing/keyring/keyring.ts';
import type { Clock } from '../support/clock.ts';
import { messageOf } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';
import { keyWarnings, thresholdOf } from './key-warnings.ts';
import type { Keys, KeyWarning } from './keys.ts';
import { publishKeys } from './publish-keys.ts';

/** Signs packages again in the background. */
export interface Resigning {
  /** Nothing happens when this task is under way. */
  begin(task: { readonly id: string }): void;
  /** Whether this task came to its end, with nothing left to do. */
  isDone(id: string): boolean;
}

export interface FarmKeysOptions {
  /** Brings what is signed in place, such as indexes, to the key that signs now. Costs little when it is. */
  readonly reseal?: () => Promise<unknown>;
  readonly keyring: Keyring;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly locks: Locks;
  readonly resigning: Resigning;
  /** Where nodes fetch public keys. */
  readonly folder: string;
  /** How often it is looked whether a key has to take over. */
  readonly everyMs: number;
}

const SERVER = 'server';
const JOURNAL_DEPTH = 200;

/**
 * The life of the farm's keys: a change is written into the keyring first, and everything that follows from it
 * (public keys for the nodes, the journal, the take-over in time, signing again) is found in the keyring and done by
 * `settle`, now or by the process that comes after a killed one.
 */
export class FarmKeys implements Keys, Service {
  readonly name = 'keys';
  readonly #options: FarmKeysOptions;
  readonly #clockwork: Service;

  constructor(options: FarmKeysOptions) {
    this.#options = options;
    this.#clockwork = repeating({
      name: this.name,
      everyMs: options.everyMs,
      work: async () => {
        await this.settle();
      },
      onError: (error) => {
        options.log.error({ error: messageOf(error) }, 'the keys are not in order');
      },
    });
  }

  async start(): Promise<void> {
    await this.#clockwork.start();
  }

  async stop(): Promise<void> {
    await this.#clockwork.stop();
  }

  list(): KeyView[] {
    return this.#options.keyring.views();
  }

  publicKeys(): string {
    return this.#options.keyring.publicKeys();
  }

  fingerprint(): string {
    return this.#options.keyring.signer().primaryFingerprint;
  }

  acceptedFingerprints(): string[] {
    return this.#options.keyring.acceptedFingerprints();
  }

  warnings(): KeyWarning[] {
    return keyWarnings(this.list(), this.#options.clock.now());
  }

  async rotate(request: Parameters<Keys['rotate']>[0]): Promise<KeyView[]> {
    const { keyring } = this.#options;
    return await this.#change(async () => {
      const isWaiting = this.list().some(({ state }) => state === 'next');
      if (!(request.now && isWaiting)) {
        await keyring.addNext(request.key, request);
      }
      if (request.now) {
        await this.#follow();
        await keyring.takeOver(request);
        if (request.resign && keyring.resignTask() === undefined) {
          await keyring.askForResign();
        }
      }
    });
  }

  async extend({ days, ...deed }: Parameters<Keys['extend']>[0]): Promise<KeyView[]> {
    return await this.#change(async () => {
      await this.#options.keyring.extend(days, deed);
    });
  }

  async revoke({ fingerprint, ...deed }: Parameters<Keys['revoke']>[0]): Promise<KeyView[]> {
    return await this.#change(async () => {
      await this.#options.keyring.revoke(fingerprint, deed);
    });
  }

  async resign({ actor, reason }: KeyDeed): Promise<void> {
    const { keyring, journal } = this.#options;
    await this.#change(async () => {
      await keyring.askForResign();
      const { fingerprint } = keyring.signer();
      const task = keyring.resignTask();
      const data = { reason, task };
      await journal.record({ kind: 'resign-asked', subject: subjectOf(fingerprint), actor, data });
    });
  }

  /** Takes in what another server has changed. */
  async reload(): Promise<void> {
    await this.#options.keyring.reload();
  }

  /** Does whatever the keyring says is still to be done, and lets a key take over whose time has come. */
  async settle(): Promise<void> {
    await this.#options.locks.run('farm-keys', async () => {
      const { keyring } = this.#options;
      await keyring.reload();
      await this.#follow();
      if (keyring.isTakeOverDue()) {
        await keyring.takeOver({ actor: SERVER, reason: 'the overlap is over' });
        await this.#follow();
      }
      await this.#goOnSigning();
    });
  }

  /** What is to be looked at now and then: the ends of the keys, and what gpg says about its own. */
  async inspect(): Promise<void> {
    const { keyring, log } = this.#options;
    try {
      await keyring.refreshFromGpg();
    } catch (error) {
      log.error({ error: messageOf(error) }, 'gpg cannot be asked about its keys');
    }
    await this.settle();
    await this.#tellOfEnds();
  }

  async #change(work: () => Promise<void>): Promise<KeyView[]> {
    await this.#options.locks.run('farm-keys', async () => {
      await this.#options.keyring.reload();
      await work();
      await this.#follow();
      await this.#goOnSigning();
    });
    return this.list();
  }

  /** Public keys first: whatever signs from now on, nodes can have its key. Then the journal. */
  async #follow(): Promise<void> {
    const { keyring, folder } = this.#options;
    await publishKeys(folder, keyring);
    const fresh = keyring.unpublished().map(({ fingerprint }) => fingerprint);
    if (fresh.length > 0) {
      await keyring.markPublished(fresh);
    }
    const changes = keyring.changes();
    for (const { id, kind, fingerprint, actor, data } of changes) {
      await this.#record({ kind, subject: subjectOf(fingerprint), actor, data }, 'change', id);
    }
    if (changes.length > 0) {
      await keyring.forgetChanges(changes.map(({ id }) => id));
    }
    await this.#options.reseal?.();
  }

  async #goOnSigning(): Promise<void> {
    const { keyring, resigning } = this.#options;
    const task = keyring.resignTask();
    if (task === undefined) {
      return;
    }
    if (resigning.isDone(task)) {
      await keyring.finishResign(task);
    } else {
      resigning.begin({ id: task });
    }
  }

  async #tellOfEnds(): Promise<void> {
    const now = this.#options.clock.now();
    for (const { fingerprint, expiresAt, message } of this.warnings()) {
      const days = thresholdOf(expiresAt, now);
      const kind = days === 0 ? 'key-expired' : 'key-expiring';
      const subject = subjectOf(fingerprint);
      const data = { days, expiresAt, message };
      await this.#record({ kind, subject, actor: SERVER, data }, 'warning', `${expiresAt}-${days}`);
    }
  }

  /** Once: an event that bears the mark already is not written again. */
  async #record(
    event: Parameters<Journal['record']>[0],
    name: string,
    mark: string,
  ): Promise<void> {
    const { journal } = this.#options;
    const known = await journal.latest(JOURNAL_DEPTH, event.subject);
    if (!known.some(({ data }) => data[name] === mark)) {
      await journal.record({ ...event, data: { ...event.data, [name]: mark } });
    }
  }
}

function subjectOf(fingerprint: string): string {
  return `key:${fingerprint}`;
}
