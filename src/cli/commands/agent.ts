import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { LABEL } from '../../gentoo/requirements.ts';
import { AppError } from '../../support/errors.ts';
import {
  addExample,
  addServerOptions,
  type CommandContext,
  parseCount,
  readToken,
  type ServerOptions,
  serverUrl,
  tokenFile,
} from '../command-context.ts';

import { agentDrainCommand, agentResumeCommand } from './agent-drain.ts';
import { agentRestoreCommand } from './agent-restore.ts';

import {
  addDistccdOptions,
  type DistccdOptions,
  type DistccdSettings,
  distccdSettings,
} from './distccd-settings.ts';

/** Runs an agent until it is told to stop. */
export type AgentStart = (options: {
  readonly server: string;
  readonly token: string;
  readonly name: string;
  readonly workFolder: string;
  readonly slots: number;
  /** Names of variables of this environment that builds see besides PATH. */
  readonly passEnvironment: readonly string[];
  readonly labels: readonly string[];
  readonly profiles: readonly string[];
  /** Absent when it compiles for no other agent. */
  readonly distccd?: DistccdSettings;
}) => Promise<void>;

interface AgentOptions extends ServerOptions, DistccdOptions {
  readonly name: string;
  readonly work: string;
  readonly slots: number;
  readonly passEnv?: readonly string[];
  readonly label?: readonly string[];
  readonly profile?: readonly string[];
}

export function agentCommand(context: CommandContext, agent: AgentStart): Command {
  const plain = addServerOptions(
    new Command('agent').description('build packages on this machine for a server'),
    'builder',
  )
    .option('--name <name>', 'name of this builder', hostname())
    .option('--work <dir>', 'folder for builds', 'state/agent')
    .option('--slots <n>', 'jobs at the same time', parseCount, 1)
    .option(
      '--label <word>',
      'word that profiles may ask for, such as ssd (may be repeated)',
      parseLabel,
    )
    .option(
      '--profile <name>',
      'build for this profile only (may be repeated); without it for all',
      (name: string, before: readonly string[] | undefined) => [...(before ?? []), name],
    )
    .option(
      '--pass-env <name>',
      'variable of this environment that builds see, such as http_proxy (may be repeated)',
      (name: string, before: readonly string[] | undefined) => [...(before ?? []), name],
    );
  const command = addDistccdOptions(plain).action(async (options: AgentOptions) => {
    const file = await tokenFile(options, context, 'builder');
    if (file === undefined) {
      throw new AppError(
        'token-file-missing',
        'An agent needs a token of role builder: name its file with --token-file.',
      );
    }
    const distccd = distccdSettings(options);
    await agent({
      server: serverUrl(options, context),
      token: await readToken(file, context.cwd),
      name: options.name,
      workFolder: resolve(context.cwd, options.work),
      slots: options.slots,
      passEnvironment: options.passEnv ?? [],
      labels: options.label ?? [],
      profiles: options.profile ?? [],
      ...(distccd !== undefined && { distccd }),
    });
  });
  command.addCommand(agentDrainCommand(context));
  command.addCommand(agentResumeCommand(context));
  command.addCommand(agentRestoreCommand(context));
  return addExample(
    command,
    'rookery agent --server http://farm:8700 --token-file /etc/rookery/builder.token --name builder-1',
  );
}

function parseLabel(word: string, before: readonly string[] | undefined): readonly string[] {
  if (!LABEL.test(word)) {
    throw new InvalidArgumentError(
      'It has to be of small letters, digits, ".", "_" and "-", at most 64 of them.',
    );
  }
  return [...(before ?? []), word];
}
