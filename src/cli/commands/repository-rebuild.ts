import { Command } from 'commander';
import { AppError } from '../../support/errors.ts';
import { addExample, addJsonOption, type CommandContext } from '../command-context.ts';
import { counted, formatSize } from '../format.ts';
import type { Output } from '../output.ts';
import { StageBars } from '../stage-bars.ts';

/** How far a rebuild is: bytes of packages, then publications. */
export interface RebuildStep {
  readonly stage: 'packages' | 'publications';
  readonly done: number;
  readonly total: number;
}

export interface RebuildOutcome {
  readonly packages: number;
  readonly bytes: number;
  readonly damaged: number;
  readonly publications: number;
  readonly snapshots: number;
  readonly tokens: number;
  readonly events: number;
  /** Name of the old database; null when there was none. */
  readonly kept: string | null;
  readonly faults: readonly {
    readonly code: string;
    readonly subject: string;
    readonly message: string;
  }[];
}

/** Makes the database of a stopped server anew. */
export type RebuildStart = (options: {
  readonly config?: string;
  readonly onProgress: (step: RebuildStep) => void;
}) => Promise<RebuildOutcome>;

const STAGES = {
  packages: { label: 'reading packages', unit: 'bytes' },
  publications: { label: 'reading publications', unit: 'packages' },
} as const;

export function rebuildCommand(context: CommandContext, rebuild: RebuildStart): Command {
  const command = addJsonOption(
    new Command('rebuild').description(
      'make the database of a stopped server anew, from the packages and indexes on disk',
    ),
  )
    .option('--config <file>', 'configuration file of the server')
    .action(async (options: { readonly config?: string; readonly json?: boolean }) => {
      const { output } = context;
      const bars = new StageBars(output, STAGES);
      let outcome: RebuildOutcome;
      try {
        outcome = await rebuild({
          ...(options.config === undefined ? {} : { config: options.config }),
          onProgress: (step) => {
            bars.show(step);
          },
        });
      } finally {
        bars.stop();
      }
      if (options.json) {
        output.json(outcome);
      } else {
        report(outcome, output);
      }
      refuseFaults(outcome);
    });
  return addExample(command, 'rookery repository rebuild --config /etc/rookery/rookery.toml');
}

function report(outcome: RebuildOutcome, output: Output): void {
  const { packages, bytes, publications, snapshots, damaged, tokens, events, kept } = outcome;
  output.line(
    `The database is new: ${counted(packages, 'package')} (${formatSize(bytes)}), ${counted(publications, 'publication')}, ${counted(snapshots, 'snapshot')}.`,
  );
  if (damaged > 0) {
    output.line(`${counted(damaged, 'package')} more are in quarantine.`);
  }
  output.line(
    `From the old database: ${counted(tokens, 'token')}, ${counted(events, 'event')} of the journal. Requests and jobs are not in the new one.`,
  );
  if (kept !== null) {
    output.line(`The old database is kept as ${kept}.`);
  }
  for (const { code, subject, message } of outcome.faults) {
    output.line(`  ${output.paint('red', 'BAD')}  ${subject}: ${message} [${code}]`);
  }
}

function refuseFaults({ faults }: RebuildOutcome): void {
  if (faults.length > 0) {
    throw new AppError(
      'rebuild-incomplete',
      `${counted(faults.length, 'thing')} could not be taken over as it was; the server can be started.`,
    );
  }
}
