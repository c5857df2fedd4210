import { Command } from 'commander';
import type { NodeView } from '../../protocol/nodes.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  type ServerOptions,
} from '../command-context.ts';
import { counted, formatAge, formatTime } from '../format.ts';
import { harmless, type Output } from '../output.ts';

export function nodeCommand(context: CommandContext): Command {
  const command = new Command('node').description('see what nodes have installed and proven');
  command.addCommand(listCommand(context));
  command.addCommand(showCommand(context));
  command.addCommand(forgetCommand(context));
  return addExample(command, 'rookery node list');
}

function listCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('list').description('list the nodes that reported, with what they have'),
  ).action(async (options: AnswerOptions) => {
    const { output, clock } = context;
    const nodes = await (await connect(options, context)).nodes();
    if (options.json) {
      output.json(nodes);
      return;
    }
    if (nodes.length === 0) {
      output.line('No node has reported yet.');
      return;
    }
    output.table(
      [
        { title: 'NODE' },
        { title: 'PROFILE' },
        { title: 'CHANNEL' },
        { title: 'PUBLICATION', align: 'right' },
        { title: 'DIFFERS', align: 'right' },
        { title: 'CHECKS' },
        { title: 'REPORTED' },
      ],
      nodes.map((node) => [
        node.node,
        node.profile,
        node.channel,
        node.serial === null ? '-' : String(node.serial),
        String(node.differs),
        checksWords(node, output),
        formatAge(node.reportedAt, clock.now()),
      ]),
    );
  });
  return addExample(command, 'rookery node list');
}

function showCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('show').description('show the newest report of a node').argument('<name>'),
  ).action(async (name: string, options: AnswerOptions) => {
    const { output } = context;
    const detail = await (await connect(options, context)).node(name);
    if (options.json) {
      output.json(detail);
      return;
    }
    for (const report of detail.reports) {
      showReport(report, context);
    }
  });
  return addExample(command, 'rookery node show pre1');
}

function forgetCommand(context: CommandContext): Command {
  const command = addServerOptions(
    new Command('forget')
      .description('forget what a node has reported and proven, because it is gone or lies')
      .argument('<name>'),
  )
    .option('--reason <text>', 'why; it stands in the journal')
    .action(async (name: string, options: ServerOptions & { readonly reason?: string }) => {
      await (await connect(options, context)).forgetNode(name, options.reason ?? '');
      context.output.line(`Node ${name} is forgotten. Its token is as it was.`);
    });
  return addExample(command, 'rookery node forget pre1 --reason "replaced by pre3"');
}

function showReport(report: NodeView, { output, clock }: CommandContext): void {
  const { node, profile, channel, serial, timestamp } = report;
  const what =
    serial === null
      ? `no publication (TIMESTAMP ${timestamp ?? 'none'})`
      : `publication ${serial} (TIMESTAMP ${timestamp})`;
  output.line(`${output.paint('bold', node)}  ${profile}/${channel}, ${what}`);
  output.line(
    `reported ${formatTime(report.reportedAt)}, ${formatAge(report.reportedAt, clock.now())}; ${counted(report.installedCount, 'package')} installed, ${report.differs} not as published`,
  );
  for (const difference of report.differences) {
    output.line(`  ${output.paint('yellow', 'differs')}  ${difference}`);
  }
  for (const line of systemLines(report)) {
    output.line(`  ${line}`);
  }
  for (const { id, state, verifiedAt } of report.php ?? []) {
    const verified =
      verifiedAt === null
        ? output.paint('red', 'not as its MANIFEST says')
        : `verified ${formatAge(verifiedAt * 1000, clock.now())}`;
    output.line(`  PHP ${id}, ${state}, ${verified}`);
  }
  for (const { name, passed, output: said } of report.checks) {
    output.line(
      `  ${passed ? output.paint('green', 'passed ') : output.paint('red', 'failed ')}  ${name}`,
    );
    const lines = harmless(said, 'drop-colors').split('\n');
    for (const line of lines.filter((one) => one !== '')) {
      output.line(`           ${line}`);
    }
  }
}

/** Nothing of a node that has not said it. */
function systemLines({ system }: NodeView): string[] {
  if (system === null) {
    return [];
  }
  const { kernel, release, releases } = system;
  const others = releases.filter((one) => one.release !== release).map((one) => one.release);
  const lying = others.length === 0 ? '' : `, others on it: ${others.join(', ')}`;
  return [
    `kernel ${kernel.running}, installed: ${kernel.installed.join(', ') || 'none'}`,
    `release ${release ?? 'none'}${lying}`,
  ];
}

function checksWords({ checks }: NodeView, output: Output): string {
  const failed = checks.filter(({ passed }) => !passed).map(({ name }) => name);
  if (failed.length > 0) {
    return output.paint('red', `failed: ${failed.join(' ')}`);
  }
  return checks.length === 0 ? '-' : checks.map(({ name }) => name).join(' ');
}
