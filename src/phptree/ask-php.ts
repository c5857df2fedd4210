import { join } from 'node:path';
import { AppError } from '../support/errors.ts';
import { run, toolEnvironment } from '../support/processes.ts';

const LIMITS = { timeoutMs: 60_000, maxOutputBytes: 1024 * 1024 };

/**
 * Runs the PHP of a tree with the tree's own settings, as a node does, and gives the names of what `php -m` has loaded.
 *
 * Throws `php-not-runnable` when it does not run here, `php-extension-fails` when it does and warns.
 */
export async function askExtensions(tree: string): Promise<string[]> {
  const command = [
    join(tree, 'bin/php'),
    '-c',
    join(tree, 'etc/php.ini'),
    '-d',
    `extension_dir=${join(tree, 'lib/extensions')}`,
    '-ddisplay_startup_errors=1',
    '-ddisplay_errors=stderr',
    '-dlog_errors=0',
    '-m',
  ];
  const env = { ...toolEnvironment(), PHP_INI_SCAN_DIR: join(tree, 'etc/conf.d') };
  const { exitCode, stdout, stderr } = await run(command, { env, ...LIMITS });
  const said = stderr.trim().split('\n').slice(0, 5).join(' ');
  if (exitCode !== 0) {
    throw new AppError(
      'php-not-runnable',
      `The PHP of the tree does not run on this machine (${said || `exit code ${exitCode}`}). Where it cannot run, give --no-run and its extensions with --extensions.`,
      { details: { exitCode } },
    );
  }
  if (said !== '') {
    throw new AppError(
      'php-extension-fails',
      `The PHP of the tree complains about its extensions: ${said}. Leave one out with --without.`,
    );
  }
  return moduleNames(stdout.toString('utf8'));
}

/** Of both sections, `[PHP Modules]` and `[Zend Modules]`, each name once. */
function moduleNames(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return [...new Set(lines.filter((line) => line !== '' && !line.startsWith('[')))];
}
