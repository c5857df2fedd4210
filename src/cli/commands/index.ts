import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { checkPkgdir } from '../../binpkg/pkgdir/check-pkgdir.ts';
import { indexPkgdir } from '../../binpkg/pkgdir/index-pkgdir.ts';
import { AppError, isErrno } from '../../support/errors.ts';
import { addExample, addJsonOption, type CommandContext, parseCount } from '../command-context.ts';
import { checkReport, indexReport, printCheck, printIndex } from '../index-report.ts';
import { type Bar, showBar } from '../progress.ts';

interface IndexCommandOptions {
  readonly check?: boolean;
  readonly deep?: boolean;
  readonly full?: boolean;
  readonly keys?: string;
  readonly threads?: number;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** Fewer packages are read before a bar could be seen. */
const WORTH_A_BAR = 50;

/** `rookery index`. With `--check`, throws `pkgdir-index-wrong` when there is anything to report. */
export function indexCommand(context: CommandContext): Command {
  const command = addJsonOption(
    new Command('index')
      .description('bring the index of a folder of packages up to date, as emaint --fix binhost')
      .argument('<pkgdir>', 'the folder that holds Packages')
      .option('--check', 'change nothing, report what is wrong; the exit code is 1 if anything is')
      .option('--deep', 'with --check: also read and hash packages whose size and time agree')
      .option('--full', 'trust no entry of the index: read and hash every package')
      .option('--keys <file>', 'leave out signed packages that none of these OpenPGP keys signed')
      .option('--threads <number>', 'threads that read and hash (default: all)', parseCount)
      .option('--verbose', 'name what changed, and what is passed over and why'),
  ).action(async (pkgdir: string, options: IndexCommandOptions) => {
    if (options.deep === true && options.check !== true) {
      throw new AppError(
        'index-options',
        '--deep goes with --check; to renew the index use --full.',
      );
    }
    const folder = resolve(context.cwd, pkgdir);
    await (options.check === true
      ? check(folder, options, context)
      : update(folder, options, context));
  });
  return addExample(
    command,
    'rookery index /var/cache/binpkgs',
    'rookery index --check --deep /var/cache/binpkgs',
  );
}

async function update(
  folder: string,
  options: IndexCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { output, clock } = context;
  const bar = readingBar(context);
  const stop = new AbortController();
  const interrupt = (): void => {
    stop.abort();
  };
  process.once('SIGINT', interrupt);
  try {
    const outcome = await indexPkgdir(folder, {
      clock,
      full: options.full,
      threads: options.threads,
      verifier: await verifierOf(options, context),
      signal: stop.signal,
      onWait: (lockFile) => {
        output.note(`waiting for ${lockFile}`);
      },
      onRead: bar.onRead,
    });
    bar.stop();
    if (options.json) {
      output.json(indexReport(outcome));
    } else {
      printIndex(output, outcome, options.verbose === true);
    }
  } finally {
    bar.stop();
    process.removeListener('SIGINT', interrupt);
  }
}

async function check(
  folder: string,
  options: IndexCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { output } = context;
  const bar = readingBar(context);
  try {
    const outcome = await checkPkgdir(folder, {
      deep: options.deep,
      threads: options.threads,
      verifier: await verifierOf(options, context),
      onRead: bar.onRead,
    });
    bar.stop();
    if (options.json) {
      output.json(checkReport(outcome));
    } else {
      printCheck(output, outcome, options.verbose === true);
    }
    const wrong = outcome.findings.length;
    if (wrong > 0) {
      throw new AppError(
        'pkgdir-index-wrong',
        `The index of ${folder} is not right: ${wrong} ${wrong === 1 ? 'finding' : 'findings'}.`,
        { details: { findings: wrong } },
      );
    }
  } finally {
    bar.stop();
  }
}

function readingBar(context: CommandContext): {
  readonly onRead: (files: number) => (done: number) => void;
  readonly stop: () => void;
} {
  let bar: Bar | undefined;
  return {
    onRead: (files) => {
      if (files < WORTH_A_BAR) {
        return () => undefined;
      }
      bar = showBar(context.output, { label: 'read', total: files, unit: 'packages' });
      return bar.advance;
    },
    stop: () => {
      bar?.stop();
      bar = undefined;
    },
  };
}

async function verifierOf({ keys }: IndexCommandOptions, { cwd }: CommandContext) {
  if (keys === undefined) {
    return undefined;
  }
  const { createVerifier } = await import('../../signing/verifier.ts');
  return await createVerifier([await readKeys(resolve(cwd, keys))]);
}

async function readKeys(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'EACCES')) {
      throw new AppError('keys-unreadable', `The file of keys ${file} cannot be read.`, {
        cause: error,
      });
    }
    throw error;
  }
}
