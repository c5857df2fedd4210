/** Runs in the thread of `FileLook`. */
import { parentPort } from 'node:worker_threads';
import type { LookAnswer, LookRequest } from './file-look.ts';
import { oddFiles } from './look-at-file.ts';

parentPort?.on('message', ({ number, folder, lists }: LookRequest) => {
  const odd = lists.flatMap((list, at) =>
    oddFiles(folder, list).map((line) => ({ list: at, line })),
  );
  const answer: LookAnswer = { number, odd };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(answer);
});
