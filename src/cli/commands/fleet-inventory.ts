import { Command, Option } from 'commander';
import {
  type FleetStatusView,
  type ImportedInventory,
  INVENTORY_FORMATS,
} from '../../protocol/fleet.ts';
import { MEMBER_STATES } from '../../protocol/member-states.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
  parseCount,
} from '../command-context.ts';
import { counted, formatTime } from '../format.ts';
import { readInventoryFile } from '../inventory-file.ts';
import type { Color, Output } from '../output.ts';

interface ImportOptions extends AnswerOptions {
  readonly format?: (typeof INVENTORY_FORMATS)[number];
  readonly reason: string;
  readonly dryRun?: boolean;
}

/** `rookery fleet import|show|status|export`. */
export function inventoryCommands(context: CommandContext): readonly Command[] {
  return [
    importCommand(context),
    showCommand(context),
    statusCommand(context),
    exportCommand(context),
  ];
}

function importCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('import')
      .description('say anew what production consists of, from TOML or an inventory of Ansible')
      .argument('<file...>', 'the files, all of it'),
  )
    .addOption(
      new Option('--format <format>', 'default: toml for files that end in .toml').choices(
        INVENTORY_FORMATS,
      ),
    )
    .requiredOption('--reason <text>', 'why; it stands in the journal')
    .option('--dry-run', 'only say what would change')
    .action(async (names: readonly string[], options: ImportOptions) => {
      const files = await Promise.all(
        names.map(async (name) => await readInventoryFile(context.cwd, name)),
      );
      const format = options.format ?? formatOf(names);
      const { reason, dryRun = false } = options;
      const client = await connect(options, context);
      const made = await client.importInventory({ format, files, reason, dryRun });
      if (options.json) {
        context.output.json(made);
      } else {
        tellImport(made, dryRun, context.output);
      }
    });
  return addExample(
    command,
    'rookery fleet import fleet.toml --reason "two more members for web7"',
    'ansible-inventory --list > hosts.json && rookery fleet import hosts.json --reason "from Ansible"',
  );
}

function formatOf(names: readonly string[]): (typeof INVENTORY_FORMATS)[number] {
  return names.every((name) => name.endsWith('.toml')) ? 'toml' : 'ansible';
}

function tellImport(made: ImportedInventory, isDry: boolean, output: Output): void {
  for (const remark of made.remarks) {
    output.note(remark);
  }
  const { revision } = made.revision;
  if (!made.isNew) {
    output.line(`Revision ${revision} says the same already; nothing was changed.`);
    return;
  }
  for (const [kind, change] of Object.entries(made.changes)) {
    for (const [verb, names] of Object.entries(change)) {
      if (names.length > 0) {
        output.line(`${kind} ${verb}: ${names.join(' ')}`);
      }
    }
  }
  output.line(isDry ? `This would be revision ${revision}.` : `Revision ${revision} holds now.`);
}

function showCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('show').description('show what production consists of'),
  )
    .option('--revision <number>', 'as it was then', parseCount)
    .action(async (options: AnswerOptions & { readonly revision?: number }) => {
      const { output } = context;
      const found = await (await connect(options, context)).inventory(options.revision);
      if (options.json) {
        output.json(found);
        return;
      }
      const { revision, author, createdAt, reason, inventory } = found;
      output.line(`revision ${revision} by ${author}, ${formatTime(createdAt)}: ${reason}`);
      output.table(
        ['SITE', 'FARM', 'MEMBERS', 'PROFILES', 'MAX OUT', 'MIN SERVING'].map((title) => ({
          title,
        })),
        inventory.sites.flatMap((site) =>
          site.farms.map((farm) => [
            site.name,
            farm.name,
            String(farm.members.length),
            [...new Set(farm.members.map(({ profile }) => profile))].join(' '),
            String(farm.maxOut),
            String(farm.minServing),
          ]),
        ),
      );
    });
  return addExample(command, 'rookery fleet show --revision 3');
}

function statusCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('status').description(
      'show how all members stand: farms as rows, members as columns',
    ),
  )
    .option('--fresh <seconds>', 'how old a report may be (default: 26 hours)', parseCount)
    .action(async (options: AnswerOptions & { readonly fresh?: number }) => {
      const status = await (await connect(options, context)).fleetStatus(options.fresh);
      if (options.json) {
        context.output.json(status);
      } else {
        tellStatus(status, context.output);
      }
    });
  return addExample(command, 'rookery fleet status');
}

type State = FleetStatusView['farms'][number]['members'][number]['state'];

const COLORS: Readonly<Record<State, Color>> = {
  'as-published': 'green',
  differs: 'yellow',
  'old-kernel': 'yellow',
  'deleted-files': 'yellow',
  stale: 'dim',
  'other-profile': 'red',
  'weak-processor': 'red',
  unreported: 'dim',
};

function tellStatus({ farms, flags, revision, sites }: FleetStatusView, output: Output): void {
  if (revision === null) {
    output.line(
      'There is no inventory yet; import one with: rookery fleet import FILE --reason TEXT',
    );
  } else {
    tellGrid(farms, output);
  }
  for (const sentence of [
    ...flags.map((flag) => flag.sentence),
    ...sites.flatMap(({ findings }) => findings),
  ]) {
    output.line(sentence);
  }
  const members = farms.flatMap((farm) => farm.members);
  const good = members.filter(({ state }) => state === 'as-published').length;
  output.line(`${good} of ${counted(members.length, 'member')} as published.`);
}

function tellGrid(farms: FleetStatusView['farms'], output: Output): void {
  const members = farms.flatMap((farm) => farm.members);
  const indexes = [...new Set(members.map(({ index }) => index))].toSorted((a, b) => a - b);
  output.table(
    ['SITE', 'FARM', ...indexes.map(String)].map((title) => ({ title })),
    farms.map((farm) => [
      farm.site,
      farm.name,
      ...indexes.map((index) => {
        const state = farm.members.find((member) => member.index === index)?.state;
        return state === undefined ? '' : letterOf(state, output);
      }),
    ]),
  );
  const shown = [...new Set(members.map(({ state }) => state))];
  output.line(
    shown.map((state) => `${letterOf(state, output)} ${MEMBER_STATES[state].word}`).join('   '),
  );
}

function letterOf(state: State, output: Output): string {
  return output.paint(COLORS[state], MEMBER_STATES[state].letter);
}

function exportCommand(context: CommandContext): Command {
  const command = new Command('export').description('write the inventory for other programs');
  const ansible = addAnswerOptions(
    new Command('ansible').description(
      'print it as a dynamic inventory of Ansible does for --list',
    ),
  ).action(async (options: AnswerOptions) => {
    context.output.json(await (await connect(options, context)).ansibleInventory());
  });
  command.addCommand(addExample(ansible, 'rookery fleet export ansible > hosts.json'));
  return addExample(command, 'rookery fleet export ansible > hosts.json');
}
