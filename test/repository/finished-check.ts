import type { CheckOptions } from '../../src/repository/check/check-report.ts';
import type { CheckState, CheckTask } from '../../src/repository/check/repository-check.ts';

/** Runs a check to its end. */
export async function finishedCheck(check: CheckTask, options: CheckOptions): Promise<CheckState> {
  return await new Promise((resolve, reject) => {
    const unlisten = check.listen(() => {
      const state = check.state();
      if (state !== undefined && state.state !== 'running') {
        unlisten();
        resolve(state);
      }
    });
    check.begin(options, 'token:admin').catch(reject);
  });
}
