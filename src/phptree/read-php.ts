import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { AppError } from '../support/errors.ts';

/** What a PHP program says about itself without being run. */
export interface PhpBinary {
  readonly version: string;
  readonly api: string;
  readonly isThreadSafe: boolean;
  readonly isDebug: boolean;
}

/* php-src: `SAPI_PHP_VERSION_HEADER` of main/SAPI.h, and `ZEND_MODULE_BUILD_ID` of Zend/zend_build.h. */
const VERSION = /X-Powered-By: PHP\/(?<version>[0-9]+\.[0-9]+\.[0-9]+(?:[A-Za-z]+[0-9]*)?)/;
const BUILD = /API(?<api>20[0-9]{6}),(?<threads>NTS|TS)(?<debug>,debug)?\0/;
/** What an extension has that hooks into the engine, and so is loaded with `zend_extension`. */
const ZEND_EXTENSION = /\0zend_extension_entry\0/;

/** Reads version and build of PHP from its program. Throws `php-unreadable`. */
export async function readPhpBinary(file: string): Promise<PhpBinary> {
  const text = await latin1(file);
  const version = VERSION.exec(text)?.groups?.['version'];
  const { api, threads, debug } = BUILD.exec(text)?.groups ?? {};
  if (version === undefined || api === undefined) {
    throw new AppError(
      'php-unreadable',
      `${file} does not look like a PHP program: it names no version and build of PHP.`,
      {
        details: { file },
      },
    );
  }
  return { version, api, isThreadSafe: threads === 'TS', isDebug: debug !== undefined };
}

/**
 * Whether an extension is loaded with `zend_extension` or `extension`. Throws `php-extension-foreign` when it was built
 * for another PHP, which would not load it.
 */
export async function extensionKind(
  file: string,
  php: PhpBinary,
): Promise<'zend_extension' | 'extension'> {
  const text = await latin1(file);
  const { api, threads, debug } = BUILD.exec(text)?.groups ?? {};
  const fits =
    api === undefined ||
    (api === php.api &&
      (threads === 'TS') === php.isThreadSafe &&
      (debug !== undefined) === php.isDebug);
  if (!fits) {
    throw new AppError(
      'php-extension-foreign',
      `The extension ${basename(file)} is for API${api},${threads}${debug ?? ''}, and the PHP for API${php.api},${php.isThreadSafe ? 'TS' : 'NTS'}${php.isDebug ? ',debug' : ''}. Leave it out with --without ${basename(file, '.so')}.`,
      { details: { extension: basename(file) } },
    );
  }
  return ZEND_EXTENSION.test(text) ? 'zend_extension' : 'extension';
}

async function latin1(file: string): Promise<string> {
  return (await readFile(file)).toString('latin1');
}
