import { AppError } from '../support/errors.ts';
import { type BinhostCheck, checkBinhost } from './check-binhost.ts';
import { httpGet, readAll } from './http-get.ts';
import type { Output } from './output.ts';
import { type Bar, showBar } from './progress.ts';

const MAX_KEY_BYTES = 1024 * 1024;

/** The key that lies beside the `binhost` folder of the URI: `<root>/keys/rookery.asc`. */
export async function fetchPublicKey(uri: string): Promise<string> {
  const root = uri.includes('/binhost/')
    ? uri.slice(0, uri.indexOf('/binhost/'))
    : new URL(uri).origin;
  const response = await httpGet(`${root}/keys/rookery.asc`, undefined);
  return (await readAll(response, MAX_KEY_BYTES)).toString('utf8');
}

/** `checkBinhost` with a progress bar. */
export async function checkWithProgress(
  output: Output,
  options: {
    /** What is checked, in a word or two. */
    readonly label: string;
    readonly uri: string;
    readonly publicKey: string;
    readonly parallel?: number;
    readonly signal?: AbortSignal;
  },
): Promise<BinhostCheck> {
  const { label, ...check } = options;
  let bar: Bar | undefined;
  try {
    return await checkBinhost({
      ...check,
      onStart: (total) => {
        bar = showBar(output, { label, total, unit: 'packages' });
      },
      onPackage: (done) => {
        bar?.advance(done);
      },
    });
  } finally {
    bar?.stop();
  }
}

/** Throws `binhost-check-failed` naming each bad package. */
export function refuseFaults(result: BinhostCheck): void {
  if (result.faults.length === 0) {
    return;
  }
  const subjects = [...new Set(result.faults.map(({ subject }) => subject))];
  throw new AppError(
    'binhost-check-failed',
    `${result.uri} is not what a node may trust: ${subjects.join(', ')}.`,
    { details: { faults: result.faults } },
  );
}
