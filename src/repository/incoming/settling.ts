import type { Stats } from 'node:fs';

/** What changes when a file is written to, replaced, or given other rights or times. */
export function signatureOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(':');
}

/**
 * Knows for how long files have stayed as they are, by looking at them from time to time. The times of the files
 * themselves are of no use for that: rsync sets old ones, and the clock of an NFS server may be wrong.
 */
export class Settling {
  readonly #seen = new Map<string, { readonly signature: string; readonly since: number }>();

  /** Notes how a file looks now. Returns for how many milliseconds it has looked like this. */
  look(path: string, stats: Stats, now: number): number {
    const signature = signatureOf(stats);
    const seen = this.#seen.get(path);
    if (seen?.signature === signature) {
      return now - seen.since;
    }
    this.#seen.set(path, { signature, since: now });
    return 0;
  }

  forget(path: string): void {
    this.#seen.delete(path);
  }
}
