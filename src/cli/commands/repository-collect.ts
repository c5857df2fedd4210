import { Command } from 'commander';
import type { CollectionTaskView, CollectionView } from '../../protocol/retention.ts';
import { AppError } from '../../support/errors.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { followCollection } from '../follow-collection.ts';
import { counted, formatSize } from '../format.ts';
import type { ServerClient } from '../server-client.ts';
import { StageBars } from '../stage-bars.ts';

interface CollectOptions extends AnswerOptions {
  readonly dryRun?: boolean;
}

export function collectCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('collect')
      .description('remove the publications and packages that no retention policy keeps')
      .argument('[profile]', 'only this profile (default: all)')
      .option('--dry-run', 'only say what would go, and what holds what stays'),
  ).action(async (profile: string | undefined, options: CollectOptions) => {
    const client = await connect(options, context);
    const dryRun = options.dryRun === true;
    const body = { dryRun, ...(profile === undefined ? {} : { profile }) };
    const view = await collecting(client, body, context);
    if (options.json) {
      context.output.json(view);
    } else {
      showCollection(view, context);
    }
  });
  return addExample(
    command,
    'rookery repository collect --dry-run',
    'rookery repository collect web-v3',
  );
}

/** Begins a collection and follows it, with a bar for each stage. */
async function collecting(
  client: ServerClient,
  body: Parameters<ServerClient['collect']>[0],
  { output, clock }: CommandContext,
): Promise<CollectionView> {
  const { id } = await client.collect(body);
  let bars: { readonly profile: string; readonly shown: StageBars } | undefined;
  try {
    const { ended } = await followCollection(client, id, {
      clock,
      signal: new AbortController().signal,
      onLost: () => {
        output.note('The connection is lost; trying again.');
      },
      onChange: ({ profile, ...progress }) => {
        if (bars?.profile !== profile) {
          bars?.shown.stop();
          bars = { profile, shown: new StageBars(output, stagesOf(profile)) };
        }
        if (progress.total > 0) {
          bars.shown.show(progress);
        }
      },
    });
    return resultOf(ended);
  } finally {
    bars?.shown.stop();
  }
}

function stagesOf(profile: string) {
  return {
    looking: { label: `looking at ${profile}`, unit: 'packages' },
    removing: { label: `collecting ${profile}`, unit: 'packages' },
  } as const;
}

function resultOf(ended: CollectionTaskView | undefined): CollectionView {
  const view = ended?.collection ?? null;
  if (view === null) {
    const why = ended?.error ?? 'the server has been started again since, and does not know of it.';
    throw new AppError('collection-not-finished', `The collection has not finished: ${why}`);
  }
  return view;
}

function showCollection(view: CollectionView, { output }: CommandContext): void {
  const [goes, stays] = view.dryRun ? ['would go', 'would stay'] : ['gone', 'stays'];
  for (const { profile, publications, packages, going, staying } of view.profiles) {
    const left = publications.filter(({ keep }) => !keep);
    output.line(output.paint('bold', profile));
    output.line(
      `${goes}: ${counted(left.length, 'publication')}, ${counted(packages.length, 'package')}, ${formatSize(going.bytes)}`,
    );
    for (const { channel, serial } of left) {
      output.line(`  ${channel} ${serial}`);
    }
    for (const { path, size } of packages) {
      output.line(`  ${path}  ${formatSize(size)}`);
    }
    const bytes = staying.reduce((sum, one) => sum + one.bytes, 0);
    output.line(`${stays}: ${formatSize(bytes)}`);
    if (staying.length > 0) {
      output.table(
        [
          { title: 'BYTES', align: 'right' },
          { title: 'FILES', align: 'right' },
          { title: 'HELD BY' },
        ],
        staying.map((one) => [formatSize(one.bytes), String(one.files), one.holder]),
      );
    }
    for (const { channel, serial, holders } of publications.filter(({ keep }) => keep)) {
      output.line(`  ${channel} ${serial}: ${holders.join('; ')}`);
    }
    output.line();
  }
}
