import { Command } from 'commander';
import { type PhpBuild, parsePhpBuild } from '../../gentoo/php-build.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  collect,
  connect,
} from '../command-context.ts';
import { withPackedSources, withToldNames } from '../php/pack-sources.ts';
import { showBar } from '../progress.ts';
import { summaryLine } from '../show-request.ts';
import { requireDone, waitForRequest } from '../wait-for-request.ts';

interface BuildOptions extends AnswerOptions {
  readonly tarball: string;
  readonly sha256: string;
  readonly with?: string;
  readonly extension?: readonly string[];
  readonly apache?: boolean;
  readonly publish?: string;
  readonly wait: boolean;
}

export function phpBuildCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('build')
      .description('build PHP from its source on an agent, as a tree of a profile, and follow that')
      .argument('<profile>')
      .argument('<version>', 'the whole version, such as 8.2.30')
      .requiredOption('--tarball <file|url>', "PHP's source")
      .requiredOption('--sha256 <hex>', 'of the tarball')
      .option('--with <options>', "options of PHP's configure: --enable-*, --with-* and the like")
      .option(
        '--extension <name=file|url,sha256>',
        'an extension from its PECL tarball; may be given several times',
        collect,
      )
      .option('--apache', "also Apache's module")
      .option('--publish <channel>', 'let this channel show it once it is there')
      .option('--no-wait', 'only ask for it'),
  ).action(async (profile: string, version: string, options: BuildOptions) => {
    await buildPhp(context, { profile, version, options });
  });
  return addExample(
    command,
    'rookery php build web-v3 8.2.30 --tarball php-8.2.30.tar.xz --sha256 <hex> --with "--enable-intl --with-zlib" --publish testing',
  );
}

async function buildPhp(
  context: CommandContext,
  wanted: { readonly profile: string; readonly version: string; readonly options: BuildOptions },
): Promise<void> {
  const { profile, version, options } = wanted;
  const { output } = context;
  const build = parsePhpBuild(buildOf(version, options));
  const asked = { build: withToldNames(build), channel: options.publish };
  const client = await connect(options, context);
  const request = await withPackedSources(context, build, async (packed) => {
    const bar = showBar(output, { label: 'sources', total: packed.size, unit: 'bytes' });
    try {
      const upload = { ...packed, onProgress: bar.advance };
      return await client.buildPhp(profile, upload, asked);
    } finally {
      bar.stop();
    }
  });
  if (!options.wait) {
    if (options.json) {
      output.json(request);
    } else {
      output.line(`${request.id}: ${request.state}`);
      output.note(`Follow it with: rookery build show ${request.id}`);
    }
    return;
  }
  output.note(`${request.id}: PHP ${version} for ${profile}`);
  const detail = await waitForRequest(client, request.id, context);
  if (options.json) {
    output.json(detail);
  } else {
    const isDone = detail.state === 'done';
    output.line(isDone ? `${detail.id}: done. ${detail.jobs[0]?.because}` : summaryLine(detail));
  }
  requireDone(detail);
}

function buildOf(version: string, options: BuildOptions): unknown {
  const words = (options.with ?? '').split(/\s+/).filter((word) => word !== '');
  return {
    version,
    configure: words,
    apache: options.apache === true,
    tarball: { name: options.tarball, sha256: options.sha256.toLowerCase() },
    extensions: (options.extension ?? []).map(extensionOf),
  } satisfies PhpBuild;
}

/** `redis=redis-6.1.0.tgz,<hex>`; what is missing is refused with the rest. */
function extensionOf(text: string): PhpBuild['extensions'][number] {
  const {
    extension = text,
    name = '',
    sha256 = '',
  } = /^(?<extension>[^=]*)=(?<name>.*),(?<sha256>[^,]*)$/.exec(text)?.groups ?? {};
  return { extension, name, sha256: sha256.toLowerCase() };
}
