import { PlaceLimit, type Release } from './place-limit.ts';

export interface TransferLimits {
  /** Long transfers at once: each keeps a file open for as long as its client takes. */
  readonly transfers: number;
  /** How many of them one client address may have. */
  readonly perClient: number;
  /** A long transfer of which the client takes nothing for so long is cut off. */
  readonly stallMs: number;
}

const OPEN_AT_ONCE = 256;
/** With more long transfers than this, each further one makes do with a small buffer. */
const CROWD = 64;
const INDEX_NAME = /^Packages(?:\.|$)/;

/** Whether a file of this name is an index of packages. */
export function isIndexName(fileName: string): boolean {
  return INDEX_NAME.test(fileName);
}

/**
 * The places that everybody who reads files shares. Opening a file and reading a short answer depends on no client
 * and so never waits for one; long transfers of indexes do not wait for those of packages.
 */
export class FilePlaces {
  readonly opening = new PlaceLimit(OPEN_AT_ONCE);
  readonly #indexes: PlaceLimit;
  readonly #packages: PlaceLimit;

  constructor({ transfers, perClient }: TransferLimits) {
    this.#indexes = new PlaceLimit(transfers, perClient);
    this.#packages = new PlaceLimit(transfers, perClient);
  }

  get isCrowded(): boolean {
    return this.#indexes.taken + this.#packages.taken > CROWD;
  }

  transfersOf(fileName: string): PlaceLimit {
    return isIndexName(fileName) ? this.#indexes : this.#packages;
  }
}

/** What one exchange holds of the places. */
export class FileTurn {
  readonly #places: FilePlaces;
  readonly #transfers: PlaceLimit;
  readonly #client: string;
  #opening: Release | undefined;
  #transfer: Release | undefined;

  constructor(places: FilePlaces, fileName: string, client: string) {
    this.#places = places;
    this.#transfers = places.transfersOf(fileName);
    this.#client = client;
  }

  get isCrowded(): boolean {
    return this.#places.isCrowded;
  }

  /** To be awaited before a file is opened. Throws `request-abandoned`. */
  async toOpen(signal: AbortSignal): Promise<void> {
    this.#opening = await this.#places.opening.acquire('', signal);
  }

  /** The file is closed. */
  closed(): void {
    this.#opening?.();
    this.#opening = undefined;
  }

  /** Whether the open file may be transferred for as long as it takes. */
  mayTransfer(): boolean {
    this.#transfer ??= this.#transfers.tryAcquire(this.#client);
    if (this.#transfer === undefined) {
      return false;
    }
    this.closed();
    return true;
  }

  /** Waits until `mayTransfer` says yes; no file may be open meanwhile. Throws `request-abandoned`. */
  async toTransfer(signal: AbortSignal): Promise<void> {
    this.#transfer = await this.#transfers.acquire(this.#client, signal);
  }

  end(): void {
    this.closed();
    this.#transfer?.();
    this.#transfer = undefined;
  }
}
