import { Command } from 'commander';
import { formatPolicyDuration } from '../../gentoo/promotion-policy.ts';
import type { ProofView } from '../../protocol/nodes.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { counted, formatAge, formatTime } from '../format.ts';

export function proofCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('proof')
      .description('what a promotion to a channel needs now, and what is missing')
      .argument('<profile>')
      .argument('<channel>'),
  ).action(async (profile: string, channel: string, options: AnswerOptions) => {
    const view = await (await connect(options, context)).proof(profile, channel);
    if (options.json) {
      context.output.json(view);
    } else {
      showProof(view, context);
    }
  });
  return addExample(command, 'rookery channel proof web-v3 stable');
}

function showProof(view: ProofView, { output, clock }: CommandContext): void {
  const { profile, channel, from, serial, isProven, missing, nodes } = view;
  const taken = serial === null ? '' : `, from publication ${serial} of ${from ?? '?'}`;
  output.line(`${output.paint('bold', `${profile}/${channel}`)}${taken}`);
  output.line(`needs: ${policyWords(view.policy)}`);
  output.line(
    isProven
      ? output.paint('green', 'proven: it can be promoted')
      : output.paint('yellow', 'not proven'),
  );
  for (const sentence of missing) {
    output.line(`  ${sentence}`);
  }
  if (nodes.length === 0) {
    return;
  }
  output.line();
  output.table(
    [{ title: 'NODE' }, { title: 'STATE' }, { title: 'SINCE' }, { title: 'REPORTED' }],
    nodes.map((node) => [
      node.node,
      node.state,
      node.passedSince === null ? '-' : formatTime(node.passedSince),
      formatAge(node.lastReportedAt, clock.now()),
    ]),
  );
}

/** `2 nodes, the checks http, php, 24h of soak, reports not older than 7d`. */
function policyWords({ nodes, checks, soakMs, withinMs }: ProofView['policy']): string {
  if (nodes === 0) {
    return 'no proof';
  }
  return [
    counted(nodes, 'node'),
    ...(checks.length === 0 ? [] : [`the checks ${checks.join(' ')}`]),
    ...(soakMs === 0 ? [] : [`a soak of ${formatPolicyDuration(soakMs)}`]),
    ...(withinMs === null ? [] : [`reports not older than ${formatPolicyDuration(withinMs)}`]),
  ].join(', ');
}
