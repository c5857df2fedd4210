import { Command } from 'commander';
import type {
  EffectName,
  ImpactList,
  ImpactView,
  PackageImpactView,
} from '../../protocol/impact.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { counted } from '../format.ts';
import type { Color, Output } from '../output.ts';

const COLORS: Readonly<Record<EffectName, Color>> = {
  none: 'green',
  'service-restart': 'cyan',
  disruptive: 'yellow',
  reboot: 'red',
  blocked: 'red',
};
const NAMED_NODES = 5;

interface ImpactOptions extends AnswerOptions {
  readonly node: readonly string[];
  readonly all: boolean;
}

/** `rookery fleet impact`. */
export function fleetImpactCommand(context: CommandContext): Command {
  const command = new Command('impact')
    .description('say what an upgrade would do to nodes, before anything is merged')
    .argument('<target...>', 'publications: <profile>/<channel> as it is now, or with "@<serial>"')
    .option('--node <name...>', 'only these nodes (default: all of the profiles)', [])
    .option('--all', 'also list the packages that do nothing to what runs', false)
    .action(async (targets: readonly string[], options: ImpactOptions) => {
      const client = await connect(options, context);
      const list = await client.impact({ targets: [...targets], nodes: [...options.node] });
      if (options.json) {
        context.output.json(list);
      } else {
        show(list, { targets, isAll: options.all }, context.output);
      }
    });
  return addExample(addAnswerOptions(command), 'rookery fleet impact zen3/stable zen2/stable@17');
}

function show(
  { impacts }: ImpactList,
  { targets, isAll }: { readonly targets: readonly string[]; readonly isAll: boolean },
  output: Output,
): void {
  if (impacts.length === 0) {
    output.line(`No node of ${targets.join(' or ')} has said what it has installed.`);
  }
  for (const [at, impact] of impacts.entries()) {
    if (at > 0) {
      output.line();
    }
    showOne(impact, isAll, output);
  }
}

function showOne(impact: ImpactView, isAll: boolean, output: Output): void {
  const { to, effect, packages, restarts } = impact;
  const name = `${to.profile}/${to.channel}@${to.serial}`;
  const words = output.paint(COLORS[effect], effect);
  output.line(`${output.paint('bold', `${name} on ${nodesOf(impact)}`)}: ${words}`);
  if (packages.length === 0) {
    output.line('Nothing changes.');
    return;
  }
  const shown = isAll ? packages : packages.filter((one) => one.effect !== 'none');
  const rest = packages.length - shown.length;
  if (shown.length > 0) {
    output.table(
      [
        { title: 'EFFECT' },
        { title: 'PACKAGE' },
        { title: 'FROM' },
        { title: 'TO' },
        { title: 'WHY' },
      ],
      shown.map((one) => [
        output.paint(COLORS[one.effect], one.effect),
        one.slot === '0' ? one.name : `${one.name}:${one.slot}`,
        versionOf(one, one.from),
        versionOf(one, one.to),
        one.reasons[0] ?? '',
      ]),
    );
  }
  if (rest > 0) {
    output.line(
      `${counted(rest, 'package')} more, with no effect on what runs (--all lists them).`,
    );
  }
  if (restarts.length > 0) {
    output.line(`To be restarted after it, in this order: ${restarts.join(', ')}.`);
  }
}

/** `480 nodes`, or their names when they are few. */
function nodesOf({ nodes }: ImpactView): string {
  return nodes.length <= NAMED_NODES ? nodes.join(', ') : counted(nodes.length, 'node');
}

function versionOf({ name }: PackageImpactView, cpv: string | null): string {
  return cpv === null ? '-' : cpv.slice(name.length + 1);
}
