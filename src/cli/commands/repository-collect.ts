import { Command } from 'commander';
import type { CollectionView } from '../../protocol/retention.ts';
import { sleep } from '../../support/clock.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { counted, formatSize } from '../format.ts';
import { type Bar, showBar } from '../progress.ts';
import type { ServerClient } from '../server-client.ts';

interface CollectOptions extends AnswerOptions {
  readonly dryRun?: boolean;
}

const POLL_MS = 500;

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

/** Follows the collection with a bar while it runs. */
async function collecting(
  client: ServerClient,
  body: Parameters<ServerClient['collect']>[0],
  { output }: CommandContext,
): Promise<CollectionView> {
  const end = new AbortController();
  const work = client.collect(body).finally(() => {
    end.abort();
  });
  const bars = new Map<string, Bar>();
  const follow = async (): Promise<void> => {
    while (!end.signal.aborted) {
      await sleep(POLL_MS, end.signal);
      const { underWay } = end.signal.aborted
        ? { underWay: null }
        : await client.collectionProgress();
      if (underWay !== null && underWay.total > 0) {
        const { profile, stage, done, total } = underWay;
        const label = `${stage === 'looking' ? 'looking at' : 'collecting'} ${profile}`;
        const known = bars.get(label);
        const bar = known ?? showBar(output, { label, total, unit: 'packages' });
        if (known === undefined) {
          stopAll(bars);
          bars.set(label, bar);
        }
        bar.advance(done);
      }
    }
  };
  try {
    // A poll that fails says nothing about the collection itself.
    await Promise.race([work, follow().catch(() => undefined)]);
    return await work;
  } finally {
    end.abort();
    stopAll(bars);
  }
}

function stopAll(bars: Map<string, Bar>): void {
  for (const bar of bars.values()) {
    bar.stop();
  }
  bars.clear();
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
