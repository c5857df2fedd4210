/**
 * Finds the steps of a piece of work by itself, and stops it dead before any of them, as `kill -9` would. A step is a
 * call that changes the disk: every function of `node:fs/promises` and of its file handles that is not known to read
 * only, and every statement of SQLite that is not. So a new one cannot be forgotten. Changes through the other
 * functions of `node:fs`, where work cannot be stopped, are refused.
 *
 * A call that is stopped at never comes back; a statement throws, and whatever the work does about it stops as well.
 * To load before anything else: it changes the modules that the work imports.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';

const READS: ReadonlySet<string> = new Set(
  'access glob lstat opendir readFile readdir readlink realpath stat statfs watch'.split(' '),
);
const HANDLE_READS: ReadonlySet<string> = new Set(
  'close constructor createReadStream getAsyncId read readFile readLines readableWebStream readv stat'.split(
    ' ',
  ),
);
const OTHER_CHANGES =
  /^(?:append|chmod|chown|copyFile|cp|createWriteStream|fchmod|fchown|fdatasync|fsync|ftruncate|futimes|lchmod|lchown|link|lutimes|mkdir|mkdtemp|rename|rm|symlink|truncate|unlink|utimes|write)/;
const CHANGING_SQL =
  /^\s*(?:begin|commit|rollback|savepoint|release|insert|update|delete|replace|create|drop|alter|vacuum|with\b[\s\S]*\b(?:insert|update|delete)\b)/i;

/** A piece of work: what it has done so far, and before which of its steps it stops. */
interface Run {
  readonly steps: string[];
  readonly stopBefore: number;
  readonly onStop: () => void;
  isStopped: boolean;
  /** What it has opened; a process that is killed has closed it. */
  readonly handles: FileHandle[];
}

export interface Outcome<T> {
  /** Names of the steps that were made. */
  readonly steps: readonly string[];
  /** Undefined when it was stopped. */
  readonly finished: { readonly result: T } | undefined;
}

const runs = new AsyncLocalStorage<Run>();

/** Runs the work, and stops it before the step of this number (from 0), if it comes to it. */
export async function runSteps<T>(
  work: () => Promise<T>,
  stopBefore = Number.POSITIVE_INFINITY,
  onStop: (step: string) => void = () => undefined,
): Promise<Outcome<T>> {
  const steps: string[] = [];
  const stopping = new AbortController();
  const stopped = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener('abort', () => {
      resolve(undefined);
    });
  });
  const run: Run = {
    steps,
    stopBefore,
    isStopped: false,
    handles: [],
    onStop: () => {
      onStop(steps.at(-1) ?? '');
      stopping.abort();
    },
  };
  const working = runs.run(run, async () => ({ result: await work() }));
  const finished = await Promise.race([working, stopped]);
  if (finished === undefined) {
    await Promise.allSettled(run.handles.map(async (handle) => await handle.close()));
  }
  return { steps: finished === undefined ? steps.slice(0, -1) : steps, finished };
}

/** True when the work goes on with this step. */
function comesTo(step: string): boolean {
  const run = runs.getStore();
  if (run === undefined) {
    return true;
  }
  if (run.isStopped) {
    return false;
  }
  run.steps.push(step);
  if (run.steps.length > run.stopBefore) {
    run.isStopped = true;
    run.onStop();
    return false;
  }
  return true;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

function replace(owner: object, name: string, wrap: (original: Method) => Method): void {
  const original: unknown = Object.getOwnPropertyDescriptor(owner, name)?.value;
  if (typeof original === 'function') {
    Reflect.set(
      owner,
      name,
      wrap(function call(this: unknown, ...args: unknown[]) {
        const result: unknown = Reflect.apply(original, this, args);
        return result;
      }),
    );
  }
}

const READING_FLAGS =
  fs.constants.O_WRONLY | fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_TRUNC;

function opensToRead(flags: unknown): boolean {
  return typeof flags === 'number'
    ? (flags & READING_FLAGS) === 0
    : flags === undefined || flags === 'r';
}

function stopCalls(owner: object, prefix: string, reads: ReadonlySet<string>): void {
  for (const name of Object.getOwnPropertyNames(owner).filter((one) => !reads.has(one))) {
    replace(owner, name, (original) => {
      return async function step(this: unknown, ...args: unknown[]) {
        if (name === 'open' && opensToRead(args[1])) {
          return await noteHandle(original.apply(this, args));
        }
        if (!comesTo(`${prefix}${name}`)) {
          return await never();
        }
        if (HALVES[name] !== undefined && !comesTo(`${prefix}${name}, half done`)) {
          await HALVES[name](original, this, args);
          return await never();
        }
        return await noteHandle(original.apply(this, args));
      };
    });
  }
}

async function noteHandle(result: unknown): Promise<unknown> {
  const value = await result;
  const run = runs.getStore();
  if (isHandle(value)) {
    run?.handles.push(value);
    if (run?.isStopped === true) {
      await value.close();
      return await never();
    }
  }
  return value;
}

function isHandle(value: unknown): value is FileHandle {
  return typeof value === 'object' && value !== null && 'fd' in value && 'datasync' in value;
}

async function never(): Promise<never> {
  return await new Promise(() => undefined);
}

/** What a process that is killed in the middle of a call leaves. */
const HALVES: Readonly<
  Record<string, (original: Method, owner: unknown, args: readonly unknown[]) => Promise<void>>
> = {
  write: writeHalf,
  writeFile: writeHalf,
  rm: async (original, owner, [path]) => {
    const [first] = await fs.promises.readdir(String(path)).catch(() => []);
    if (first !== undefined) {
      await original.apply(owner, [join(String(path), first), { recursive: true, force: true }]);
    }
  },
};

async function writeHalf(
  original: Method,
  owner: unknown,
  [data]: readonly unknown[],
): Promise<void> {
  if (typeof data === 'string') {
    await original.apply(owner, [data.slice(0, data.length / 2)]);
  } else if (data instanceof Uint8Array) {
    await original.apply(owner, [data.subarray(0, data.length / 2)]);
  }
}

function refuseOthers(): void {
  for (const name of Object.keys(fs).filter((one) => OTHER_CHANGES.test(one))) {
    replace(fs, name, (original) => {
      return function refused(this: unknown, ...args: unknown[]) {
        if (runs.getStore() !== undefined) {
          throw new Error(`fs.${name} is a step at which nothing can be stopped`);
        }
        return original.apply(this, args);
      };
    });
  }
}

function stopStatements(): void {
  const database = new SQLite(':memory:');
  const prototype: unknown = Object.getPrototypeOf(database.prepare('select 1'));
  database.close();
  if (typeof prototype !== 'object' || prototype === null) {
    throw new Error('statements have no prototype');
  }
  for (const name of ['run', 'all', 'get', 'iterate']) {
    replace(prototype, name, (original) => {
      return function statement(this: unknown, ...args: unknown[]) {
        const source = String(Reflect.get(Object(this), 'source'));
        const words = source.trim().split(/\s+/).slice(0, 3).join(' ');
        if (CHANGING_SQL.test(source) && !comesTo(`sql ${words.toLowerCase()}`)) {
          throw new Error('stopped');
        }
        return original.apply(this, args);
      };
    });
  }
}

const file = join(tmpdir(), `rookery-steps-${process.pid}`);
const handle = await fs.promises.open(file, 'wx');
const handles: unknown = Object.getPrototypeOf(handle);
await handle.close();
await fs.promises.rm(file);
if (typeof handles !== 'object' || handles === null) {
  throw new Error('file handles have no prototype');
}
stopCalls(handles, 'handle.', HANDLE_READS);
stopCalls(fs.promises, '', READS);
refuseOthers();
stopStatements();
syncBuiltinESMExports();
