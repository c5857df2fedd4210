import { Command } from 'commander';
import type { PhpDifferenceView, PhpProfileView } from '../../protocol/php.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { counted, formatSize, formatTime } from '../format.ts';

const SHOWN_DEEDS = 20;

export function phpListCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('list')
      .description('the PHP trees of a profile, what its channels show, and what was done')
      .argument('<profile>'),
  ).action(async (profile: string, options: AnswerOptions) => {
    const view = await (await connect(options, context)).phpTrees(profile);
    if (options.json) {
      context.output.json(view);
    } else {
      showProfile(view, context);
    }
  });
  return addExample(command, 'rookery php list web-v3');
}

function showProfile({ serial, trees, deeds }: PhpProfileView, { output }: CommandContext): void {
  output.line(
    serial === 0
      ? 'There is no PHP tree yet.'
      : `${counted(trees.length, 'tree')}, INDEX ${serial}`,
  );
  output.table(
    [
      { title: 'TREE' },
      { title: 'CHANNELS' },
      { title: 'SAPIS' },
      { title: 'EXTENSIONS', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'MADE' },
    ],
    trees.map((tree) => [
      tree.id,
      tree.channels.join(' '),
      tree.sapis.join(' '),
      String(tree.extensions.length),
      formatSize(tree.bytes),
      tree.madeAt,
    ]),
  );
  output.line();
  output.table(
    [
      { title: 'SERIAL', align: 'right' },
      { title: 'WHAT' },
      { title: 'CHANNEL' },
      { title: 'TREE' },
      { title: 'WHEN' },
      { title: 'BY' },
      { title: 'REASON' },
    ],
    deeds
      .slice(0, SHOWN_DEEDS)
      .map((deed) => [
        String(deed.serial),
        deed.forced.length === 0 ? deed.kind : `${deed.kind} (forced)`,
        deed.channel ?? '',
        deed.tree ?? '',
        formatTime(deed.at),
        deed.actor,
        deed.reason,
      ]),
  );
}

export function phpShowCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('show')
      .description('one PHP tree: what it has and what it needs')
      .argument('<profile>')
      .argument('<tree>'),
  ).action(async (profile: string, id: string, options: AnswerOptions) => {
    const tree = await (await connect(options, context)).phpTree(profile, id);
    const { output } = context;
    if (options.json) {
      output.json(tree);
      return;
    }
    const build = [tree.isThreadSafe ? 'thread-safe' : '', tree.isDebug ? 'debug' : ''];
    const lines = {
      tree: tree.id,
      channels: tree.channels.join(' ') || 'none',
      php: [tree.php, `API ${tree.api}`, ...build].filter((word) => word !== '').join(', '),
      sapis: tree.sapis.join(' '),
      size: `${formatSize(tree.bytes)} in ${counted(tree.files, 'file')}`,
      requires: tree.requires,
      glibc: tree.glibc ?? 'none',
      made: `${tree.madeAt} (${tree.kind}) of ${tree.sources.map(({ name }) => name).join(', ')}`,
      manifest: tree.manifest,
      extensions: tree.extensions.join(', '),
    };
    for (const [name, text] of Object.entries(lines)) {
      output.line(`${output.paint('dim', `${name}:`.padEnd(12))}${text}`);
    }
  });
  return addExample(command, 'rookery php show web-v3 8.2.30-web-v3-r1');
}

export function phpDiffCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('diff')
      .description('what changes between two PHP trees: files, extensions, needed libraries')
      .argument('<profile>')
      .argument('<from>')
      .argument('<to>'),
  ).action(async (profile: string, from: string, to: string, options: AnswerOptions) => {
    const view = await (await connect(options, context)).phpDifference(profile, { from, to });
    if (options.json) {
      context.output.json(view);
    } else {
      showDifference(view, context);
    }
  });
  return addExample(command, 'rookery php diff web-v3 8.2.30-web-v3-r1 8.2.31-web-v3-r1');
}

function showDifference(view: PhpDifferenceView, { output }: CommandContext): void {
  const { added, removed, changed, glibc, from, to } = view;
  const signs = { '+': added, '-': removed, '~': changed.map(({ after }) => after) } as const;
  const colors = { '+': 'green', '-': 'red', '~': 'yellow' } as const;
  for (const sign of ['+', '-', '~'] as const) {
    for (const { path, bytes } of signs[sign]) {
      const size = bytes === null ? '' : `  ${formatSize(bytes)}`;
      output.line(output.paint(colors[sign], `${sign} ${path}`) + size);
    }
  }
  const gained = [
    ['extensions', view.extensions],
    ['needed libraries', view.requires],
  ] as const;
  for (const [what, { added: plus, removed: minus }] of gained) {
    const words = [...plus.map((one) => `+${one}`), ...minus.map((one) => `-${one}`)];
    output.line(`${what}: ${words.join(', ') || 'the same'}`);
  }
  if (glibc.before !== glibc.after) {
    output.line(`glibc: ${glibc.before ?? 'none'} -> ${glibc.after ?? 'none'}`);
  }
  output.line(
    `A node with ${from.id} has to fetch ${formatSize(view.newBytes)} of the ${formatSize(to.bytes)} of ${to.id}.`,
  );
}
