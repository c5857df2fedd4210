import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { AppError, isAppError, messageOf } from '../support/errors.ts';
import { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import { watchPaths } from '../support/watch.ts';

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

const INTERVAL_MS = 2000;

/**
 * Reads a pair. Throws `certificate-unusable` when a file cannot be read, is no PEM, or the two do not belong
 * together.
 */
export async function readCertificate({
  certificate,
  key,
}: CertificateFiles): Promise<CertificatePair> {
  try {
    const pair = { cert: await readFile(certificate), key: await readFile(key) };
    createSecureContext(pair);
    return pair;
  } catch (error) {
    throw new AppError(
      'certificate-unusable',
      `The certificate ${certificate} with the key ${key} cannot be used: ${messageOf(error)}.`,
      { cause: error, details: { certificate, key } },
    );
  }
}

/**
 * Watches both files. They are rarely written in one step: a pair that does not fit is tried again with the next
 * change, and until then the one before stays in use.
 */
export function watchCertificate(
  files: CertificateFiles,
  log: Log,
  intervalMs = INTERVAL_MS,
): CertificateSource {
  const renewal = new Locks();
  const watcher = watchPaths([files.certificate, files.key], intervalMs);
  return {
    start: async (use) => {
      use(await readCertificate(files));
      await watcher.start(() => {
        void renewal.run('certificate', async () => {
          await renew(files, use, log);
        });
      });
    },
    stop: async () => {
      await watcher.stop();
    },
  };
}

async function renew(
  files: CertificateFiles,
  use: (pair: CertificatePair) => void,
  log: Log,
): Promise<void> {
  try {
    use(await readCertificate(files));
    log.info({ certificate: files.certificate }, 'the certificate was renewed');
  } catch (error) {
    if (!isAppError(error, 'certificate-unusable')) {
      throw error;
    }
    log.error({ error: error.message }, 'the certificate stays what it was');
  }
}
