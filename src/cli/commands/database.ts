import { Command } from 'commander';
import { addExample, addJsonOption, type CommandContext } from '../command-context.ts';
import { counted } from '../format.ts';
import { StageBars } from '../stage-bars.ts';

/** Copies the database of stopped servers. */
export type CopyStart = (options: {
  readonly from: string;
  readonly to: string;
  readonly onProgress: (step: {
    readonly stage: 'copying' | 'checking';
    readonly done: number;
    readonly total: number;
  }) => void;
}) => Promise<CopyOutcome>;

interface CopyOutcome {
  readonly rows: number;
  readonly tables: readonly {
    readonly table: string;
    readonly rows: number;
    readonly sha256: string;
  }[];
}

const STAGES = {
  copying: { label: 'copying', unit: 'rows' },
  checking: { label: 'reading the copy back', unit: 'rows' },
} as const;

const EXAMPLE =
  'rookery database copy --from state/rookery.sqlite --to postgres://rookery@db.example.org/rookery';

export function databaseCommand(context: CommandContext, copy: CopyStart): Command {
  const command = new Command('database')
    .description("move a farm's database from SQLite to PostgreSQL and back")
    .addCommand(copyCommand(context, copy));
  return addExample(command, EXAMPLE);
}

function copyCommand(context: CommandContext, copy: CopyStart): Command {
  const command = addJsonOption(
    new Command('copy').description(
      'copy the database of stopped servers to one that is empty, and compare every row',
    ),
  )
    .requiredOption('--from <place>', 'the file of SQLite, or the postgres:// URL, to read')
    .requiredOption('--to <place>', 'the file of SQLite, or the postgres:// URL, to fill')
    .action(
      async (options: { readonly from: string; readonly to: string; readonly json?: boolean }) => {
        const { output } = context;
        const bars = new StageBars(output, STAGES);
        let outcome: CopyOutcome;
        try {
          outcome = await copy({
            from: options.from,
            to: options.to,
            onProgress: (step) => {
              bars.show(step);
            },
          });
        } finally {
          bars.stop();
        }
        if (options.json) {
          output.json(outcome);
          return;
        }
        for (const { table, rows } of outcome.tables.filter((one) => one.rows > 0)) {
          output.line(`  ${table}: ${counted(rows, 'row')}`);
        }
        output.line(
          `Copied ${counted(outcome.rows, 'row')}, and read the same back. Set url of [database] to where the servers should look now.`,
        );
      },
    );
  return addExample(command, EXAMPLE);
}
