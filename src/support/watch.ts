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

export interface PathWatcher {
  start(onChange: () => void): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Reports that one of these files was made, written or replaced; several changes at once may be one report. Looks at
 * them every `intervalMs`, so that a symbolic link that leads elsewhere, and a change on a network file system, is seen.
 */
export function watchPaths(paths: readonly string[], intervalMs: number): PathWatcher {
  let watcher: ReturnType<typeof watch> | undefined;
  return {
    start: async (onChange) => {
      const started = watch([...paths], {
        ignoreInitial: true,
        usePolling: true,
        interval: intervalMs,
      });
      watcher = started;
      started.on('add', onChange).on('change', onChange);
      await new Promise<void>((resolve) => {
        started.once('ready', resolve);
      });
    },
    stop: async () => {
      await watcher?.close();
      watcher = undefined;
    },
  };
}
