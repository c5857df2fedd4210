import type { RequestPackage } from '../../src/builds/builds.ts';
import type { RequestLook } from '../../src/builds/look-at-request.ts';
import { AppError } from '../../src/support/errors.ts';

export function theOne<T extends { readonly id: string }>(
  all: readonly T[],
  id: string,
  kind: string,
): T {
  const one = all.find((known) => known.id === id);
  if (one === undefined) {
    throw new AppError(`unknown-${kind}`, `There is no ${kind} ${id}.`);
  }
  return one;
}

export function shortView(entry: RequestPackage): RequestLook['packages'][number] {
  const { id, cpv, buildId } = entry.package;
  return { id, cpv, buildId, how: entry.how, leftOut: entry.leftOut };
}

/** Logs of attempts, and who follows them. */
export class FakeLogs {
  readonly #logs = new Map<string, Buffer>();
  readonly #followers = new Map<string, Set<() => void>>();

  of(jobId: string, attempt: number): Buffer {
    return this.#logs.get(`${jobId}/${attempt}`) ?? Buffer.alloc(0);
  }

  append(
    jobId: string,
    piece: { readonly attempt: number; readonly offset: number; readonly bytes: Uint8Array },
  ): number {
    const before = this.of(jobId, piece.attempt);
    if (piece.offset > before.length) {
      throw new AppError('log-gap', `The log has ${before.length} bytes.`, {
        details: { size: before.length },
      });
    }
    const after = Buffer.concat([before, piece.bytes.subarray(before.length - piece.offset)]);
    this.#logs.set(`${jobId}/${piece.attempt}`, after);
    this.notify(jobId);
    return after.length;
  }

  follow(jobId: string, listener: () => void): () => void {
    const followers = this.#followers.get(jobId) ?? new Set();
    this.#followers.set(jobId, followers.add(listener));
    return () => {
      followers.delete(listener);
    };
  }

  followers(jobId: string): number {
    return this.#followers.get(jobId)?.size ?? 0;
  }

  notify(jobId: string): void {
    for (const listener of this.#followers.get(jobId) ?? []) {
      listener();
    }
  }
}
