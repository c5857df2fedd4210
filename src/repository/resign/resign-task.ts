import type { AnyPackageSigner } from '../../binpkg/package-signer.ts';
import { AppError, isAppError, isErrno, messageOf } from '../../support/errors.ts';
import type { Service } from '../../support/lifecycle.ts';
import { findPackage } from '../package-store.ts';
import type { PublicationRecord } from '../publication.ts';
import { newestPublication } from '../publication-store.ts';
import { publishSnapshot } from '../publish-snapshot.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { resignPackage } from './resign-package.ts';
import { signedByOthers } from './resign-store.ts';

export interface SkippedPackage {
  readonly id: string;
  /** A sentence. */
  readonly reason: string;
}

/** Signing again that is under way, or the last one. */
export interface ResignState {
  /** Name of the work: a process that comes later goes on with the same one. */
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed' | 'stopped';
  /** The key that signs, uppercase hex. */
  readonly fingerprint: string;
  readonly startedAt: number;
  readonly finishedAt: number | null;
  /** Packages. */
  readonly done: number;
  readonly total: number;
  /** Packages that stay as they are, with the reason: what is damaged is not signed. */
  readonly skipped: readonly SkippedPackage[];
  /** Channels that stay as they are because the gate refuses them, a sentence each. */
  readonly refused: readonly string[];
  /** What is left, at the pace so far; null when there is no telling. */
  readonly remainingMs: number | null;
  /** Why it failed; it is tried again. What was skipped or refused is reported once, and is no failure. */
  readonly error: string | null;
}

/** What the other rooms may ask of it. */
export interface RepositoryResign {
  begin(task: { readonly id: string }): void;
  isDone(id: string): boolean;
  /** Undefined when there was none since the server started. */
  state(): ResignState | undefined;
  /** Calls the listener at each step from now on. The returned function ends it. */
  listen(listener: () => void): () => void;
}

interface Feed {
  readonly profile: string;
  readonly channel: string;
}

interface Work {
  readonly id: string;
  readonly signer: AnyPackageSigner;
  /** What each package has become; undefined where it stays as it is. */
  readonly made: Map<string, string | undefined>;
}

const SERVER = 'server';
const EVENT_KIND = 'resigned';
const JOURNAL_DEPTH = 200;
/** A channel that moves on while its packages are being signed is looked at again, this often. */
const MAX_ROUNDS = 20;

/**
 * Signs again, with the key that signs now, what another one has signed and a channel shows, and publishes it there.
 * Every package and every publication is found when it is there already, so that it can be stopped at any moment.
 */
export class ResignTask implements RepositoryResign, Service {
  readonly name = 'resign';
  readonly #context: RepositoryContext;
  readonly #listeners = new Set<() => void>();
  #state: ResignState | undefined;
  #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(context: RepositoryContext) {
    this.#context = context;
  }

  /** Work is begun by `begin`. */
  start(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  begin({ id }: { readonly id: string }): void {
    if (this.#state?.state === 'running' || this.isDone(id) || this.#stop.signal.aborted) {
      return;
    }
    const signer = this.#context.signer();
    this.#state = {
      id,
      state: 'running',
      fingerprint: signer.fingerprint,
      startedAt: this.#context.clock.now(),
      finishedAt: null,
      done: 0,
      total: 0,
      skipped: [],
      refused: [],
      remainingMs: null,
      error: null,
    };
    // Where there are several servers, each may be told to: the second finds what the first has done.
    this.#running = this.#context.locks.run('repository-resign', async () => {
      await this.#run(id, signer);
    });
  }

  isDone(id: string): boolean {
    return this.#state?.id === id && this.#state.state === 'done';
  }

  state(): ResignState | undefined {
    return this.#state;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Never rejects. */
  async #run(id: string, signer: AnyPackageSigner): Promise<void> {
    const { clock, log } = this.#context;
    try {
      const work: Work = { id, signer, made: new Map() };
      await this.#countWork(signer);
      const published: PublicationRecord[] = [];
      for (const feed of this.#feeds()) {
        published.push(...(await this.#resignUnlessRefused(feed, work)));
      }
      await this.#tell(work, published);
      this.#change({ state: 'done', finishedAt: clock.now(), remainingMs: null });
    } catch (error) {
      const isStopped = isAppError(error, 'resign-stopped');
      if (!isStopped) {
        log.error({ task: id, error: messageOf(error) }, 'packages cannot be signed again');
      }
      this.#change({
        state: isStopped ? 'stopped' : 'failed',
        finishedAt: clock.now(),
        remainingMs: null,
        error: messageOf(error),
      });
    }
  }

  /** Once: a process that was killed behind this finds its event, and does not tell again that nothing was left. */
  async #tell({ id, signer }: Work, published: readonly PublicationRecord[]): Promise<void> {
    const { journal } = this.#context;
    const subject = `key:${signer.fingerprint}`;
    const known = await journal.latest(JOURNAL_DEPTH, subject);
    if (known.some(({ kind, data }) => kind === EVENT_KIND && data['task'] === id)) {
      return;
    }
    const { done = 0, skipped = [], refused = [] } = this.#state ?? {};
    await journal.record({
      kind: EVENT_KIND,
      subject,
      actor: SERVER,
      data: {
        task: id,
        packages: done - skipped.length,
        skipped,
        refused,
        publications: published.map(
          ({ profile, channel, serial }) => `${profile}/${channel} ${serial}`,
        ),
      },
    });
  }

  #feeds(): Feed[] {
    return this.#context.profiles
      .list()
      .flatMap(({ name, channels }) => channels.map((channel) => ({ profile: name, channel })));
  }

  async #countWork(signer: AnyPackageSigner): Promise<void> {
    const { database } = this.#context;
    const ids = new Set<string>();
    for (const feed of this.#feeds()) {
      const shown = await newestPublication(database, feed);
      const others =
        shown === undefined
          ? []
          : await signedByOthers(database, shown.snapshotId, signer.fingerprint);
      others.forEach((id) => ids.add(id));
    }
    this.#change({ total: ids.size });
  }

  /** A channel that the gate refuses is reported, and holds up no other one: what speaks against it is for a person. */
  async #resignUnlessRefused(feed: Feed, work: Work): Promise<PublicationRecord[]> {
    try {
      return await this.#resignFeed(feed, work);
    } catch (error) {
      if (!isAppError(error, 'publication-refused')) {
        throw error;
      }
      const refusal = messageOf(error);
      this.#context.log.error({ ...feed, refusal }, 'a channel stays as signed');
      this.#change({ refused: [...(this.#state?.refused ?? []), refusal] });
      return [];
    }
  }

  /** Until the channel shows nothing any more that another key has signed, but for what is damaged. */
  async #resignFeed(feed: Feed, work: Work): Promise<PublicationRecord[]> {
    const made: PublicationRecord[] = [];
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const shown = await newestPublication(this.#context.database, feed);
      const packageIds = shown === undefined ? [] : await this.#resignSnapshot(shown, work);
      if (shown === undefined || packageIds.length === 0) {
        return made;
      }
      const published = await this.#publish({ ...feed, packageIds, expected: shown.serial }, work);
      made.push(...(published === undefined ? [] : [published]));
    }
    throw new AppError(
      'channel-moved',
      `The channel ${feed.channel} of ${feed.profile} is published faster than it can be signed again.`,
      { details: { ...feed } },
    );
  }

  async #publish(
    wanted: Feed & { readonly packageIds: readonly string[]; readonly expected: number },
    { id, signer }: Work,
  ): Promise<PublicationRecord | undefined> {
    try {
      return await publishSnapshot(this.#context, {
        ...wanted,
        sameImagesAs: wanted.expected,
        author: SERVER,
        reason: `signed again with the key ${signer.fingerprint} (${id})`,
      });
    } catch (error) {
      if (isAppError(error, 'channel-moved')) {
        return undefined;
      }
      throw error;
    }
  }

  /** The ids of what the packages of a publication have become that another key had signed. */
  async #resignSnapshot({ snapshotId }: PublicationRecord, work: Work): Promise<string[]> {
    const { database } = this.#context;
    const { signer, made } = work;
    const others = await signedByOthers(database, snapshotId, signer.fingerprint);
    for (const id of others.filter((one) => !made.has(one))) {
      if (this.#stop.signal.aborted) {
        throw new AppError('resign-stopped', 'The server stops; its next start goes on with it.');
      }
      made.set(id, await this.#resignOne(id, signer));
      this.#step();
    }
    return others.map((id) => made.get(id)).filter((id) => id !== undefined);
  }

  async #resignOne(id: string, signer: AnyPackageSigner): Promise<string | undefined> {
    const record = await findPackage(this.#context.database, id);
    try {
      return record === undefined
        ? undefined
        : await resignPackage(this.#context, record, { signer, actor: SERVER });
    } catch (error) {
      const reason = reasonToSkip(error);
      if (reason === undefined) {
        throw error;
      }
      this.#context.log.error({ package: id, reason }, 'a package stays as signed');
      this.#change({ skipped: [...(this.#state?.skipped ?? []), { id, reason }] });
      return undefined;
    }
  }

  #step(): void {
    const { done = 0, total = 0, startedAt = 0 } = this.#state ?? {};
    const spent = this.#context.clock.now() - startedAt;
    const remainingMs = Math.round((spent * Math.max(0, total - done - 1)) / (done + 1));
    this.#change({ done: done + 1, total: Math.max(total, done + 1), remainingMs });
  }

  #change(values: Partial<ResignState>): void {
    if (this.#state !== undefined) {
      this.#state = { ...this.#state, ...values };
    }
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

/** Why a package stays as it is; undefined for what is not its own fault, and may be over when it is tried again. */
function reasonToSkip(error: unknown): string | undefined {
  if (isErrno(error, 'ENOENT')) {
    return 'Its file is gone; run rookery repository check --deep.';
  }
  return isAppError(error) && !isAboutKey(error) ? error.message : undefined;
}

function isAboutKey({ code }: AppError): boolean {
  return code === 'gpg-signing-failed' || code === 'signing-key-expired';
}
