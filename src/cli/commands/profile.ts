import { Command } from 'commander';
import { openProfileCatalog } from '../../config/profile-catalog.ts';
import { formatBaseSystem } from '../../gentoo/base-system.ts';
import { instructionSetOf, KNOWN_MARCHES } from '../../gentoo/instruction-set.ts';
import { formatMakeConf } from '../../gentoo/make-conf.ts';
import { suggestion } from '../../gentoo/nearest-word.ts';
import type { BuildRoot, HardwareProfile, ProfileCatalog } from '../../gentoo/profile.ts';
import { DEFAULT_RETENTION, formatRetention } from '../../gentoo/retention-policy.ts';
import { AppError } from '../../support/errors.ts';
import { addExample, addJsonOption } from '../command-context.ts';
import { readInstalled } from '../read-installed.ts';

/** Where text of a result goes. */
export type Print = (text: string) => unknown;

interface ProfileOptions {
  readonly profiles: string;
  readonly json?: boolean;
}

/** `rookery profile list|show|check`, on local files. A check that finds faults throws `profile-broken`. */
export function profileCommand(print: Print = (text) => process.stdout.write(text)): Command {
  const command = new Command('profile').description('look at hardware profiles in local files');
  command.addCommand(listCommand(print));
  command.addCommand(showCommand(print));
  command.addCommand(checkCommand(print));
  command.addCommand(baseCommand(print));
  return addExample(command, 'rookery profile check', 'rookery profile show web-x86-64-v3');
}

function listCommand(print: Print): Command {
  const command = subcommand(
    'list',
    'list the profiles that can be built for, and the broken ones',
  );
  return addExample(
    command.action(async (options: ProfileOptions) => {
      const catalog = await openProfileCatalog(options.profiles);
      if (options.json) {
        printJson(print, { profiles: catalog.list().map(summaryOf), broken: catalog.broken() });
        return;
      }
      print(columns(catalog.list().map(rowOf)));
      for (const [name, faults] of Object.entries(catalog.broken())) {
        print(`${name} is broken. ${faults.join(' ')}\n`);
      }
    }),
    'rookery profile list --profiles /etc/rookery/profiles',
  );
}

function showCommand(print: Print): Command {
  const command = subcommand(
    'show',
    'print the effective make.conf, channels, build root and sets',
  );
  return addExample(
    command
      .argument('<profile>', 'name of the profile')
      .action(async (name: string, options: ProfileOptions) => {
        const profile = (await openProfileCatalog(options.profiles)).get(name);
        if (options.json) {
          printJson(print, { ...profile, makeConf: formatMakeConf(profile) });
        } else {
          print(describe(profile));
        }
      }),
    'rookery profile show web-x86-64-v3',
  );
}

function baseCommand(print: Print): Command {
  const command = new Command('base')
    .description('print a base-system file: what is installed on a fresh node')
    .option('--root <folder>', 'where the system is', '/')
    .action(async ({ root }: { readonly root: string }) => {
      print(formatBaseSystem(await readInstalled(root)));
    });
  return addExample(command, 'rookery profile base > profiles/web-v3/base-system');
}

function checkCommand(print: Print): Command {
  const command = subcommand('check', 'print every fault; the exit code is 1 if there is any');
  return addExample(
    command.action(async (options: ProfileOptions) => {
      const catalog = await openProfileCatalog(options.profiles);
      const broken = Object.entries(catalog.broken());
      const notes = catalog.list().flatMap(notesOn);
      if (options.json) {
        printJson(print, { ok: broken.length === 0, broken: catalog.broken(), notes });
      } else {
        for (const fault of broken.flatMap(([, faults]) => faults)) {
          print(`${fault}\n`);
        }
        for (const note of notes) {
          print(`note: ${note}\n`);
        }
        print(summaryLine(catalog));
      }
      if (broken.length > 0) {
        const names = broken.map(([name]) => name).join(', ');
        throw new AppError('profile-broken', `Not every profile can be used: ${names}.`, {
          details: { profiles: broken.map(([name]) => name) },
        });
      }
    }),
    'rookery profile check --profiles /etc/rookery/profiles',
  );
}

/** What may be right, but cannot be checked: an x86-64 processor that the table of instruction sets does not have. */
function notesOn({ name, arch, flags }: HardwareProfile): string[] {
  if (arch !== 'amd64') {
    return [];
  }
  const marches = ['CFLAGS', 'CXXFLAGS'].flatMap(
    (variable) => instructionSetOf(flags[variable] ?? '')?.march ?? [],
  );
  return [...new Set(marches)]
    .filter((march) => !KNOWN_MARCHES.includes(march))
    .map(
      (march) =>
        `${name}: -march=${march} is not known here, so packages for another processor cannot be told apart.${suggestion(march, KNOWN_MARCHES)}`,
    );
}

function subcommand(name: string, description: string): Command {
  return addJsonOption(
    new Command(name)
      .description(description)
      .option('--profiles <folder>', 'the folder of the profiles', 'profiles'),
  );
}

function rowOf(profile: HardwareProfile): string[] {
  const { name, chost, march, level, description } = summaryOf(profile);
  const levelName = `x86-64-v${level}`;
  const instructions = level === null || march === levelName ? march : `${march} (${levelName})`;
  return [name, chost, instructions, description];
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (found, row) => row.map((cell, index) => Math.max(found[index] ?? 0, cell.length)),
    [],
  );
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function summaryOf(profile: HardwareProfile) {
  const { name, description, arch, chost, executor, channels } = profile;
  const instructions = instructionSetOf(profile.flags['CFLAGS'] ?? '');
  return {
    name,
    description,
    arch,
    chost,
    march: instructions?.march ?? 'no -march',
    level: instructions?.level ?? null,
    executor,
    channels,
  };
}

function describe(profile: HardwareProfile): string {
  const made = profile.ancestors.length === 0 ? '' : `made from  ${profile.ancestors.join(', ')}\n`;
  const sets = Object.entries(profile.sets).map(
    ([name, atoms]) => `@${name}\n${atoms.map((atom) => `  ${atom}\n`).join('')}`,
  );
  const files = Object.keys(profile.portageFiles).map((path) => `  ${path}\n`);
  const recipes = Object.keys(profile.recipes).map((cpv) => `  ${cpv}\n`);
  return [
    `${formatMakeConf(profile)}\n`,
    `profile    ${profile.name}: ${profile.description}\n`,
    made,
    `channels   ${profile.channels.join(' -> ')}\n`,
    `build root ${formatBuildRoot(profile.buildRoot)}\n`,
    `executor   ${profile.executor}\n`,
    ...gateLines(profile),
    `keeps      ${formatRetention(profile.retention ?? DEFAULT_RETENTION)}\n`,
    files.length === 0 ? '' : `\nfiles for /etc/portage\n${files.join('')}`,
    recipes.length === 0 ? '' : `\nrecipes\n${recipes.join('')}`,
    sets.length === 0 ? '' : `\n${sets.join('\n')}`,
  ].join('');
}

/** What the gate before a publication takes for granted, and how strict it is. */
function gateLines({ baseSystem, gate }: HardwareProfile): string[] {
  const { packages = [], sonames = [] } = baseSystem ?? {};
  const { maxPackageDrop, warn = [] } = gate ?? {};
  return [
    `base       ${packages.length} packages, ${sonames.length} sonames\n`,
    ...(maxPackageDrop === undefined
      ? []
      : [`gate       at most ${maxPackageDrop * 100} % fewer packages\n`]),
    ...(warn.length === 0 ? [] : [`gate       only warns of ${warn.join(', ')}\n`]),
  ];
}

function formatBuildRoot(buildRoot: BuildRoot): string {
  return buildRoot.kind === 'host' ? 'host' : `${buildRoot.kind} ${buildRoot.path}`;
}

function summaryLine(catalog: ProfileCatalog): string {
  const good = catalog.list().length;
  const broken = Object.keys(catalog.broken()).length;
  const goodText = `${good} ${good === 1 ? 'profile' : 'profiles'} can be built for`;
  return `${goodText}${broken === 0 ? '' : `, ${broken} broken`}.\n`;
}

function printJson(print: Print, value: unknown): void {
  print(`${JSON.stringify(value, null, 2)}\n`);
}
