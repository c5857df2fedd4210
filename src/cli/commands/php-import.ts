import { Command } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { counted, formatSize } from '../format.ts';
import { withPackedPhp } from '../php/import-php.ts';
import { showBar } from '../progress.ts';

interface ImportOptions extends AnswerOptions {
  readonly version?: string;
  readonly run: boolean;
  readonly extensions?: readonly string[];
  readonly without?: readonly string[];
  readonly phpIni?: string;
  readonly fpmConf?: string;
  readonly publish?: string;
}

export function phpImportCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('import')
      .description(
        'make a tree of a PHP package or of the PHP in a folder, and put it into the repository',
      )
      .argument('<profile>')
      .argument(
        '<source>',
        "GPKG or XPAK of dev-lang/php, its image, a prefix, another tree, or Debian's /",
      )
      .option('--version <version>', 'which PHP, where there are several, such as 8.2')
      .option('--without <name...>', 'leave these extensions out')
      .option('--php-ini <file>', 'take this php.ini')
      .option('--fpm-conf <file>', 'take this template of php-fpm.conf')
      .option('--no-run', 'do not run the PHP to learn its extensions; needs --extensions')
      .option('--extensions <name...>', 'what php -m would say, with --no-run')
      .option('--publish <channel>', 'let this channel show it at once'),
  ).action(async (profile: string, source: string, options: ImportOptions) => {
    await importPhp(context, { profile, source, options }, command);
  });
  return addExample(
    command,
    'rookery php import web-v3 php-8.2.30-1.gpkg.tar --publish testing',
    'rookery php import web-v3 / --version 8.2',
  );
}

async function importPhp(
  context: CommandContext,
  request: { readonly profile: string; readonly source: string; readonly options: ImportOptions },
  command: Command,
): Promise<void> {
  const { profile, source, options } = request;
  if (options.run === (options.extensions !== undefined)) {
    command.error('--no-run and --extensions go together: what is not run has to be told.');
  }
  const client = await connect(options, context);
  const { version, without = [], phpIni, fpmConf, extensions } = options;
  const packing = { version, without, phpIni, fpmConf, extensions };
  const { tree, isNew, serial } = await withPackedPhp(context, source, packing, async (packed) => {
    const bar = showBar(context.output, { label: source, total: packed.size, unit: 'bytes' });
    try {
      const upload = { ...packed, onProgress: bar.advance };
      return await client.importPhp(profile, upload, options.publish);
    } finally {
      bar.stop();
    }
  });
  if (options.json) {
    context.output.json({ tree, isNew, serial });
    return;
  }
  const shown = tree.channels.length === 0 ? '' : ` Shown by ${tree.channels.join(', ')}.`;
  context.output.line(
    isNew
      ? `${tree.id}: ${counted(tree.files, 'file')}, ${formatSize(tree.bytes)}, ${counted(tree.extensions.length, 'extension')}.${shown}`
      : `${tree.id} has the same content already; there is no new revision.${shown}`,
  );
}
