import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../../support/threads.ts';
import type { PackageVerifier } from '../package-signer.ts';
import {
  PackageReader,
  type ReadPackage,
  type ReadRequest,
  type RefusedFile,
} from './read-package.ts';

export interface SizedRequest extends ReadRequest {
  readonly size: number;
}

export interface ReadPackagesOptions {
  readonly verifier?: PackageVerifier | undefined;
  /** Called with the number of files that are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Threads at most. Default: one for each processor. */
  readonly threads?: number | undefined;
}

/** Below this much work, starting threads costs more than they bring. */
const WORTH_FILES = 200;
const WORTH_BYTES = 64 * 1024 * 1024;
const MAX_THREADS = 16;
/** Requests that a thread has at once, so that it need not wait for the next one. */
const AHEAD = 4;

/** Reads packages on all processors. The results are in the order of the requests. */
export async function readPackages(
  pkgdir: string,
  requests: readonly SizedRequest[],
  options: ReadPackagesOptions = {},
): Promise<(ReadPackage | RefusedFile)[]> {
  const bytes = requests.reduce((sum, { size, digests }) => sum + (digests ? 0 : size), 0);
  const isLarge = requests.length >= WORTH_FILES || (requests.length > 1 && bytes >= WORTH_BYTES);
  const most = Math.min(options.threads ?? availableParallelism(), MAX_THREADS, requests.length);
  if (!isLarge || most < 2 || options.verifier !== undefined) {
    return await readHere(pkgdir, requests, options);
  }
  return await readOnThreads(pkgdir, requests, { ...options, threads: most });
}

async function readHere(
  pkgdir: string,
  requests: readonly SizedRequest[],
  { verifier, onProgress }: ReadPackagesOptions,
): Promise<(ReadPackage | RefusedFile)[]> {
  const results: (ReadPackage | RefusedFile)[] = [];
  if (requests.length > 0) {
    const reader = new PackageReader(pkgdir, verifier);
    for (const request of requests) {
      results.push(await reader.read(request));
      onProgress?.(results.length);
    }
  }
  return results;
}

/** What a thread is started with, told, and answers. */
export interface WorkerSettings {
  readonly pkgdir: string;
}

export interface WorkerRequest {
  readonly at: number;
  readonly request: ReadRequest;
}

interface WorkerAnswer {
  readonly at: number;
  readonly result: ReadPackage | RefusedFile;
}

async function readOnThreads(
  pkgdir: string,
  requests: readonly SizedRequest[],
  options: ReadPackagesOptions & { readonly threads: number },
): Promise<(ReadPackage | RefusedFile)[]> {
  const results: (ReadPackage | RefusedFile)[] = [];
  const workers = Array.from({ length: options.threads }, () => startWorker(pkgdir));
  let next = 0;
  let done = 0;
  const feed = (worker: Worker): void => {
    const request = requests[next];
    if (request !== undefined) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage({ at: next, request } satisfies WorkerRequest);
      next += 1;
    }
  };
  try {
    await new Promise<void>((resolve, reject) => {
      for (const worker of workers) {
        worker.once('error', reject);
        worker.on('message', ({ at, result }: WorkerAnswer) => {
          results[at] = result;
          done += 1;
          options.onProgress?.(done);
          feed(worker);
          if (done === requests.length) {
            resolve();
          }
        });
      }
      for (let ahead = 0; ahead < AHEAD; ahead += 1) {
        workers.forEach(feed);
      }
    });
  } finally {
    await Promise.all(workers.map(stopWorker));
  }
  return results;
}

function startWorker(pkgdir: string): Worker {
  return startThread(import.meta.url, 'package-worker', { pkgdir } satisfies WorkerSettings);
}

async function stopWorker(worker: Worker): Promise<void> {
  await worker.terminate();
}
