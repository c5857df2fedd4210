/**
 * For programs that stop themselves dead before a change on disk, as `kill -9` would: calls into `node:fs/promises`
 * that never come back. Import it before anything that imports `node:fs/promises`.
 */
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

type Call = (...args: unknown[]) => Promise<unknown>;

/** Calls that may still be made. */
let allowed = Number.POSITIVE_INFINITY;
let onStop: () => void = () => undefined;

function stopBefore(name: string): void {
  const original: unknown = Reflect.get(promises, name);
  if (typeof original !== 'function') {
    throw new Error(`no ${name}`);
  }
  const stoppable: Call = async (...args) => {
    if (allowed <= 0) {
      onStop();
      return await new Promise(() => undefined);
    }
    allowed -= 1;
    const result: unknown = Reflect.apply(original, promises, args);
    return await result;
  };
  Reflect.set(promises, name, stoppable);
}

for (const name of ['open', 'rename', 'link', 'symlink', 'mkdir', 'rm', 'copyFile', 'readlink']) {
  stopBefore(name);
}
syncBuiltinESMExports();

/** Runs the work; returns what it resolved with, or undefined when it was stopped after so many calls. */
export async function runStopped<T>(
  work: () => Promise<T>,
  calls: number,
): Promise<{ readonly result: T } | undefined> {
  const stopped = new Promise<undefined>((resolve) => {
    onStop = () => {
      resolve(undefined);
    };
  });
  allowed = calls;
  try {
    return await Promise.race([work().then((result) => ({ result })), stopped]);
  } finally {
    allowed = Number.POSITIVE_INFINITY;
  }
}
