import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import * as z from 'zod';
import type { BackupContents } from '../../signing/keyring/backup.ts';
import { AppError, isErrno } from '../../support/errors.ts';
import { readTextIfPresent } from '../../support/files.ts';
import { addExample, addJsonOption, type CommandContext } from '../command-context.ts';
import { counted } from '../format.ts';

interface BackupOptions {
  readonly config?: string;
  readonly passphraseFile: string;
  readonly replace?: boolean;
  readonly json?: boolean;
}

/** Both work on the server's own machine: a secret key goes over no network. */
export function backupCommand(context: CommandContext): Command {
  const command = localCommand(
    'backup',
    'write all keys into one file, under a passphrase of its own',
  )
    .argument('<file>', 'a new file; gpg --decrypt opens it as well')
    .action(async (file: string, options: BackupOptions) => {
      const { makeBackup } = await import('../../signing/keyring/backup.ts');
      const { state, passphraseFile } = await placesOf(options, context);
      const { text, contents } = await makeBackup(join(state, 'signing'), {
        passphrase: passphraseFile === null ? undefined : await passphraseIn(passphraseFile),
        backupPassphrase: await passphraseIn(resolve(context.cwd, options.passphraseFile)),
      });
      await writeNew(resolve(context.cwd, file), text);
      report(contents, options, context, `${file} has`);
    });
  return addExample(
    command,
    'rookery key backup rookery-keys.asc --passphrase-file backup.passphrase --config /etc/rookery/rookery.toml',
  );
}

export function restoreCommand(context: CommandContext): Command {
  const command = localCommand('restore', 'put the keys of a backup into a stopped server')
    .argument('<file>', 'what key backup wrote')
    .option('--replace', 'move keys aside that are there')
    .action(async (file: string, options: BackupOptions) => {
      const { restoreBackup } = await import('../../signing/keyring/backup.ts');
      const { prepareFolder } = await import('../../signing/keyring/open-keyring.ts');
      const { state } = await placesOf(options, context);
      await refuseRunning(state);
      const folder = join(state, 'signing');
      const text = await readFile(resolve(context.cwd, file), 'utf8');
      const backupPassphrase = await passphraseIn(resolve(context.cwd, options.passphraseFile));
      await prepareFolder(folder);
      const contents = await restoreBackup(folder, {
        text,
        backupPassphrase,
        replace: options.replace ?? false,
        clock: context.clock,
      });
      report(contents, options, context, `${folder} has`);
    });
  return addExample(
    command,
    'rookery key restore rookery-keys.asc --passphrase-file backup.passphrase --config /etc/rookery/rookery.toml',
  );
}

function localCommand(name: string, description: string): Command {
  return addJsonOption(new Command(name).description(description))
    .option('--config <file>', 'configuration file of the server')
    .requiredOption('--passphrase-file <file>', 'file with the passphrase of the backup');
}

async function placesOf(
  options: BackupOptions,
  { env, cwd }: CommandContext,
): Promise<{ readonly state: string; readonly passphraseFile: string | null }> {
  const { loadConfig } = await import('../../config/load-config.ts');
  const file = options.config === undefined ? {} : { file: options.config };
  const { paths, signing } = await loadConfig({ ...file, env, cwd });
  return { state: paths.state, passphraseFile: signing.passphraseFile };
}

async function passphraseIn(path: string): Promise<string> {
  const text = (await readTextIfPresent(path))?.replace(/\n+$/, '') ?? '';
  if (text === '') {
    throw new AppError(
      'passphrase-file-empty',
      `The passphrase file ${path} is not there or empty.`,
    );
  }
  return text;
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new AppError('backup-file-exists', `There is a file ${path}; it is not replaced.`, {
        cause: error,
      });
    }
    throw error;
  }
}

const noteSchema = z.object({ pid: z.number().int() });

/** A running server would write its own keys over those that are restored. */
async function refuseRunning(state: string): Promise<void> {
  const note = await readTextIfPresent(join(state, 'server.json'));
  const pid = note === undefined ? undefined : noteSchema.parse(JSON.parse(note)).pid;
  if (pid !== undefined && isAlive(pid)) {
    throw new AppError('server-running', `The server of ${state} runs (process ${pid}); stop it.`, {
      details: { pid },
    });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isErrno(error, 'ESRCH');
  }
}

function report(
  contents: BackupContents,
  options: BackupOptions,
  { output }: CommandContext,
  start: string,
): void {
  if (options.json) {
    output.json(contents);
    return;
  }
  output.line(`${start} ${counted(contents.keys.length, 'key')}:`);
  for (const { fingerprint, state } of contents.keys) {
    output.line(`  ${fingerprint}  ${state}`);
  }
  if (contents.keptByGpg.length > 0) {
    output.line(`gpg keeps ${contents.keptByGpg.join(', ')}: back up its home as well.`);
  }
}
