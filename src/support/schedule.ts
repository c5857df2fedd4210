import { type ScheduledTask, schedule, validate } from 'node-cron';
import type { Service } from './lifecycle.ts';

/** Whether a text is a cron expression (five fields, or six with seconds). */
export function isCronExpression(expression: string): boolean {
  return validate(expression);
}

/**
 * Runs work by a cron expression, never two runs at once. `stop` waits for the run under way.
 */
export function scheduled(options: {
  readonly name: string;
  readonly expression: string;
  readonly work: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}): Service {
  let task: ScheduledTask | undefined;
  let running: Promise<void> | undefined;
  const runOnce = async (): Promise<void> => {
    try {
      await options.work();
    } catch (error) {
      options.onError(error);
    } finally {
      running = undefined;
    }
  };
  return {
    name: options.name,
    start: async () => {
      task = schedule(options.expression, () => {
        running ??= runOnce();
      });
    },
    stop: async () => {
      await task?.destroy();
      task = undefined;
      await running;
    },
  };
}

/**
 * Runs work every `everyMs`, counted from the end of the run before. `stop` waits for the run under way.
 */
export function repeating(options: {
  readonly name: string;
  readonly everyMs: number;
  readonly work: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}): Service {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let stopped = true;
  const turn = async (): Promise<void> => {
    try {
      await options.work();
    } catch (error) {
      options.onError(error);
    }
    running = undefined;
    arm();
  };
  const arm = (): void => {
    if (!stopped) {
      timer = setTimeout(() => {
        running = turn();
      }, options.everyMs);
    }
  };
  return {
    name: options.name,
    start: async () => {
      stopped = false;
      arm();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
