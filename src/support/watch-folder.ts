import { watch } from 'chokidar';
import type { Service } from './lifecycle.ts';

/**
 * Calls `onQuiet` when something below a folder has changed, was added or went, and then nothing more for `quietMs`;
 * links are followed.
 */
export function watchFolder(options: {
  readonly folder: string;
  readonly quietMs: number;
  readonly onQuiet: () => void;
  readonly onError: (error: unknown) => void;
}): Service {
  let watcher: ReturnType<typeof watch> | undefined;
  let timer: NodeJS.Timeout | undefined;
  return {
    name: `watch ${options.folder}`,
    start: async () => {
      const started = watch(options.folder, { ignoreInitial: true });
      watcher = started;
      started.on('error', options.onError).on('all', () => {
        clearTimeout(timer);
        timer = setTimeout(options.onQuiet, options.quietMs);
      });
      await new Promise<void>((resolve) => {
        started.once('ready', () => {
          resolve();
        });
      });
    },
    stop: async () => {
      await watcher?.close();
      watcher = undefined;
      clearTimeout(timer);
    },
  };
}
