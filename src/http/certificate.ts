import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { sleep } from '../support/clock.ts';
import { AppError, messageOf } from '../support/errors.ts';
import type { Log } from '../support/log.ts';

/** A certificate (with the chain that leads to it) and its private key, PEM. */
export interface CertificatePair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The certificate of a server, and each one that takes its place while the server runs. */
export interface CertificateSource {
  /** Calls `use` before it resolves, and again whenever there is a new pair. Throws `certificate-unusable`. */
  start(use: (pair: CertificatePair) => void): Promise<void>;
  stop(): Promise<void>;
}

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** What was found in the files: whether it is another than the last time, and whether it can be used. */
interface Look {
  /** A digest of both files, or why they cannot be read. */
  readonly state: string;
  readonly pair: CertificatePair | AppError;
}

const INTERVAL_MS = 2000;

/**
 * Reads both files every `intervalMs` and compares what is in them: times say nothing of a link that is switched to
 * an older certificate. They are rarely written in one step: a pair that does not fit is told once, and until there
 * is one that does, the one before stays in use.
 */
export function watchCertificate(
  files: CertificateFiles,
  log: Log,
  intervalMs = INTERVAL_MS,
): CertificateSource {
  const stopping = new AbortController();
  let watching = Promise.resolve();
  return {
    start: async (use) => {
      const first = await look(files);
      if (first.pair instanceof AppError) {
        throw first.pair;
      }
      use(first.pair);
      watching = watch(first.state, { files, log, use, intervalMs, signal: stopping.signal });
    },
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}

async function watch(
  first: string,
  {
    files,
    log,
    use,
    intervalMs,
    signal,
  }: {
    readonly files: CertificateFiles;
    readonly log: Log;
    readonly use: (pair: CertificatePair) => void;
    readonly intervalMs: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  let known = first;
  for (;;) {
    await sleep(intervalMs, signal);
    if (signal.aborted) {
      return;
    }
    const { state, pair } = await look(files);
    if (state !== known) {
      known = state;
      if (pair instanceof AppError) {
        log.error({ error: pair.message }, 'the certificate stays what it was');
      } else {
        use(pair);
        log.info({ certificate: files.certificate }, 'the certificate was renewed');
      }
    }
  }
}

async function look(files: CertificateFiles): Promise<Look> {
  let state = '';
  try {
    const pair = { cert: await readFile(files.certificate), key: await readFile(files.key) };
    state = createHash('sha256').update(pair.cert).update(pair.key).digest('hex');
    createSecureContext(pair);
    return { state, pair };
  } catch (error) {
    const fault = unusable(files, error);
    return { state: state === '' ? fault.message : state, pair: fault };
  }
}

function unusable({ certificate, key }: CertificateFiles, cause: unknown): AppError {
  return new AppError(
    'certificate-unusable',
    `The certificate ${certificate} with the key ${key} cannot be used: ${messageOf(cause)}.`,
    { cause, details: { certificate, key } },
  );
}
