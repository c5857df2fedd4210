import { Command } from 'commander';
import { AppError } from '../../support/errors.ts';
import { addExample, type CommandContext } from '../command-context.ts';
import type { ChildProgram } from '../quickstart/child-program.ts';
import { runQuickstart } from '../quickstart/quickstart.ts';

interface Options {
  readonly once?: boolean;
  readonly folder: string;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function quickstartCommand(context: CommandContext): Command {
  const command = new Command('quickstart')
    .description('try everything on this machine: server, agent, sample build, client check')
    .option('--once', 'stop after the check')
    .option('--folder <dir>', 'where to put everything', '.quickstart')
    .action(async (options: Options) => {
      await runInterruptible(options, context);
    });
  return addExample(command, 'rookery quickstart --once');
}

/** A first signal ends the quickstart in order, a second one kills what it started. */
async function runInterruptible(options: Options, context: CommandContext): Promise<void> {
  const stop = new AbortController();
  const children: ChildProgram[] = [];
  const killAll = (): void => {
    for (const child of children) {
      child.kill();
    }
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) {
      killAll();
      return;
    }
    context.output.note(`${signal}: stopping the server and the agent`);
    stop.abort(new AppError('interrupted', `The quickstart was interrupted by ${signal}.`));
  };
  for (const signal of SIGNALS) {
    process.on(signal, onSignal);
  }
  process.once('exit', killAll);
  try {
    await runQuickstart(
      {
        folder: options.folder,
        once: options.once ?? false,
        signal: stop.signal,
        onChild: (child) => children.push(child),
      },
      context,
    );
  } finally {
    process.off('exit', killAll);
    for (const signal of SIGNALS) {
      process.off(signal, onSignal);
    }
  }
}
