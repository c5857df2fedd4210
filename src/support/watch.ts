import { watch } from 'chokidar';
import type { Service } from './lifecycle.ts';

export interface WatchOptions {
  readonly folder: string;
  /** A file has to keep its size for this long before it is reported as whole; 0: each change is told at once. */
  readonly quietMs: number;
  readonly onFile: (path: string) => void;
  readonly onError: (error: unknown) => void;
}

/** Reports every file below a folder: those found at the start, and each that is written or changed later. */
export function watchFiles(options: WatchOptions): Service {
  let watcher: ReturnType<typeof watch> | undefined;
  return {
    name: `watch ${options.folder}`,
    start: async () => {
      const started = watch(options.folder, {
        followSymlinks: false,
        ignored: (path) => /\/\.[^/]*$/.test(path.slice(options.folder.length)),
        awaitWriteFinish: options.quietMs > 0 && {
          stabilityThreshold: options.quietMs,
          pollInterval: 100,
        },
      });
      watcher = started;
      started.on('add', options.onFile).on('change', options.onFile).on('error', options.onError);
      await new Promise<void>((resolve) => {
        started.once('ready', () => {
          resolve();
        });
      });
    },
    stop: async () => {
      await watcher?.close();
      watcher = undefined;
    },
  };
}
