import { basename, resolve } from 'node:path';
import { Command } from 'commander';
import type { PackageView } from '../../protocol/packages.ts';
import { digestFile } from '../../support/digests.ts';
import {
  addExample,
  addJsonOption,
  addServerOptions,
  type CommandContext,
  collect,
  connect,
  type ServerOptions,
} from '../command-context.ts';
import { formatSize } from '../format.ts';
import type { ConvertPackagesOptions } from '../package-convert.ts';
import type { DiffPackageOptions } from '../package-diff.ts';
import { refuseUnlessFile } from '../package-file-there.ts';
import type { ShowPackagesOptions } from '../package-show.ts';
import type { SignPackagesOptions } from '../package-sign.ts';
import type { VerifyPackagesOptions } from '../package-verify.ts';
import { showBar } from '../progress.ts';
import type { ServerClient } from '../server-client.ts';

const KEY = ['--key <file>', 'armored public key to trust; may be given several times'] as const;
const PASSPHRASE = ['--passphrase-file <file>', 'file with the passphrase of the key'] as const;

export function packageCommand(context: CommandContext): Command {
  const command = new Command('package').description(
    'look at, verify, sign, convert and compare package files; put them into the repository',
  );
  const subcommands = [
    pushCommand(context),
    showCommand(context),
    verifyCommand(context),
    signCommand(context),
    convertCommand(context),
    diffCommand(context),
  ];
  for (const subcommand of subcommands) {
    command.addCommand(subcommand);
  }
  return addExample(
    command,
    'rookery package push web-v3 php-8.3.1-1.gpkg.tar',
    'rookery package show php-8.3.1-1.gpkg.tar',
  );
}

function pushCommand(context: CommandContext): Command {
  const push = addJsonOption(
    addServerOptions(
      new Command('push')
        .description('upload package files; the server verifies and signs them')
        .argument('<profile>')
        .argument('<file...>'),
    ),
  ).action(
    async (
      profile: string,
      files: readonly string[],
      options: ServerOptions & { readonly json?: boolean },
    ) => {
      const client = await connect(options, context);
      const pushed: PackageView[] = [];
      for (const file of files) {
        const view = await pushFile(client, profile, resolve(context.cwd, file), context);
        pushed.push(view);
        if (!options.json) {
          const { cpv, buildId, size, id } = view;
          context.output.line(`${cpv} build ${buildId}, ${formatSize(size)}: ${id}`);
        }
      }
      if (options.json) {
        context.output.json(pushed);
      }
    },
  );
  return addExample(push, 'rookery package push web-v3 /var/cache/binpkgs/dev-lang/php/*.gpkg.tar');
}

function showCommand(context: CommandContext): Command {
  const show = addJsonOption(
    new Command('show')
      .description('verify package files and print what is in them')
      .argument('<file...>', 'GPKG or XPAK files')
      .option(KEY[0], KEY[1], collect),
  ).action(async (files: readonly string[], options: ShowPackagesOptions) => {
    const { showPackages } = await import('../package-show.ts');
    await showPackages(context, files, options);
  });
  return addExample(
    show,
    'rookery package show hello-1.0-1.gpkg.tar',
    'rookery package show --key rookery.asc --json hello-1.0-1.gpkg.tar',
  );
}

function verifyCommand(context: CommandContext): Command {
  const verify = addJsonOption(
    new Command('verify')
      .description(
        'check package files completely, one line each; with --key their signatures too. Fails if any is refused',
      )
      .argument('<file...>', 'GPKG or XPAK files')
      .option(KEY[0], `${KEY[1]}. Unsigned packages are refused then`, collect),
  ).action(async (files: readonly string[], options: VerifyPackagesOptions) => {
    const { verifyPackages } = await import('../package-verify.ts');
    await verifyPackages(context, files, options);
  });
  return addExample(
    verify,
    'rookery package verify /var/cache/binpkgs/*/*/*.gpkg.tar',
    'rookery package verify --key rookery.asc hello-1.0-1.gpkg.tar',
  );
}

function signCommand(context: CommandContext): Command {
  const sign = addJsonOption(
    new Command('sign')
      .description(
        'sign GPKG files in place, or sign them anew. An index that lists them has to be written again afterwards',
      )
      .argument('<file...>', 'GPKG files')
      .requiredOption('--key-folder <folder>', 'folder with secret-key.asc, as in state/signing')
      .option(PASSPHRASE[0], PASSPHRASE[1])
      .option(KEY[0], `${KEY[1]}: signatures that are replaced have to be good`, collect)
      .option('--drop-signatures', 'replace signatures without checking them'),
  ).action(async (files: readonly string[], options: SignPackagesOptions) => {
    const { signPackages } = await import('../package-sign.ts');
    await signPackages(context, files, options);
  });
  return addExample(sign, 'rookery package sign --key-folder state/signing hello-1.0-1.gpkg.tar');
}

function convertCommand(context: CommandContext): Command {
  const convert = addJsonOption(
    new Command('convert')
      .description('write XPAK files as GPKG, named <PF>-<BUILD_ID>.gpkg.tar; the XPAK stays')
      .argument('<file...>', 'XPAK files')
      .option('--out <folder>', 'where to write (default: beside each file)')
      .option('--key-folder <folder>', 'sign with the key in this folder')
      .option(PASSPHRASE[0], PASSPHRASE[1]),
  ).action(async (files: readonly string[], options: ConvertPackagesOptions) => {
    const { convertPackages } = await import('../package-convert.ts');
    await convertPackages(context, files, options);
  });
  return addExample(convert, 'rookery package convert --out converted hello-1.0-1.xpak');
}

function diffCommand(context: CommandContext): Command {
  const diff = addJsonOption(
    new Command('diff')
      .description('compare two package files, file by file and key by key. Fails if they differ')
      .argument('<before>', 'GPKG or XPAK file')
      .argument('<after>', 'GPKG or XPAK file')
      .option('--all', 'count and show metadata that differ in every build, such as BUILD_TIME'),
  ).action(async (before: string, after: string, options: DiffPackageOptions) => {
    const { diffPackageFiles } = await import('../package-diff.ts');
    await diffPackageFiles(context, { before, after }, options);
  });
  return addExample(diff, 'rookery package diff hello-1.0-1.gpkg.tar hello-1.0-2.gpkg.tar');
}

async function pushFile(
  client: ServerClient,
  profile: string,
  file: string,
  context: CommandContext,
): Promise<PackageView> {
  await refuseUnlessFile(file);
  const { size, digests } = await digestFile(file, ['sha512']);
  const bar = showBar(context.output, { label: basename(file), total: size, unit: 'bytes' });
  try {
    return await client.pushPackage(profile, {
      file,
      size,
      sha512: digests.of('sha512'),
      onProgress: bar.advance,
    });
  } finally {
    bar.stop();
  }
}
