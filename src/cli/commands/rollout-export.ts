import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { AppError } from '../../support/errors.ts';
import { exists } from '../../support/files.ts';
import {
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  type ServerOptions,
} from '../command-context.ts';

interface ExportOptions extends ServerOptions {
  readonly to: string;
}

/** `rookery rollout export ansible`. */
export function rolloutExportCommand(context: CommandContext): Command {
  const command = new Command('export').description('write a plan for other programs');
  const ansible = addServerOptions(
    new Command('ansible')
      .description('write inventory, playbook and tasks for ansible-playbook')
      .argument('<id>', 'of the rollout; its beginning is enough'),
  )
    .option('--to <folder>', 'where to write them; files that are there stay', '.')
    .action(async (id: string, options: ExportOptions) => {
      const files = await (await connect(options, context)).rolloutForAnsible(id);
      await writeNew(resolve(context.cwd, options.to), files);
      context.output.line(`${Object.keys(files).join(', ')} are in ${options.to}.`);
      context.output.note(
        'Run them there with: ansible-playbook -i inventory.json playbook.yml (needs socat here and rookery-step on the nodes)',
      );
    });
  command.addCommand(addExample(ansible, 'rookery rollout export ansible 8f3a12cd45ab --to plan'));
  return addExample(command, 'rookery rollout export ansible 8f3a12cd45ab --to plan');
}

/** Writes all of them or, where one is there already, none. */
async function writeNew(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of Object.keys(files)) {
    if (await exists(join(folder, name))) {
      throw new AppError(
        'export-exists',
        `${join(folder, name)} is there already; remove it, or name another folder with --to.`,
      );
    }
  }
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { flag: 'wx' });
  }
}
