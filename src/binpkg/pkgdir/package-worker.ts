/** Runs in a thread of `readPackages`: reads the packages that it is told, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { PackageReader } from './read-package.ts';
import type { WorkerRequest, WorkerSettings } from './read-packages.ts';

const settings: WorkerSettings = workerData;
const reader = new PackageReader(settings.pkgdir);
const waiting: WorkerRequest[] = [];
let isBusy = false;

parentPort?.on('message', (message: WorkerRequest) => {
  waiting.push(message);
  if (!isBusy) {
    void work();
  }
});

async function work(): Promise<void> {
  isBusy = true;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const result = await reader.read(next.request);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ at: next.at, result });
  }
  isBusy = false;
}
