import { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { type ContextParts, contextOf, type Program, programOf } from './command-line.ts';
import { type AgentStart, agentCommand } from './commands/agent.ts';
import { agentsCommand } from './commands/agents.ts';
import { buildCommand } from './commands/build.ts';
import { channelCommand } from './commands/channel.ts';
import { clientCommand } from './commands/client.ts';
import { type CopyStart, databaseCommand } from './commands/database.ts';
import { fleetCommand } from './commands/fleet.ts';
import { indexCommand } from './commands/index.ts';
import { journalCommand } from './commands/journal.ts';
import { keyCommand } from './commands/key.ts';
import { nodeCommand } from './commands/node.ts';
import { packageCommand } from './commands/package.ts';
import { phpCommand } from './commands/php.ts';
import { profileCommand } from './commands/profile.ts';
import { profilePauseCommands } from './commands/profile-pause.ts';
import { quickstartCommand } from './commands/quickstart.ts';
import { repositoryCommand } from './commands/repository.ts';
import type { RebuildStart } from './commands/repository-rebuild.ts';
import { rolloutCommand } from './commands/rollout.ts';
import { rsyncCommand } from './commands/rsync.ts';
import { scheduleCommand } from './commands/schedule.ts';
import { type ServerStart, serveCommand } from './commands/serve.ts';
import { tokenCommand } from './commands/token.ts';
import { productVersion } from './project-root.ts';

/** What the composition root hands in, and what a test may replace. */
export interface ProgramParts extends ContextParts {
  /** Runs the server until it is told to stop. */
  readonly serve: ServerStart;
  /** Runs an agent until it is told to stop. */
  readonly agent: AgentStart;
  /** Makes the database of a stopped server anew. */
  readonly rebuild: RebuildStart;
  /** Copies the database of stopped servers. */
  readonly copyDatabase: CopyStart;
}

/** The `rookery` command. */
export function createProgram(parts: ProgramParts): Program {
  const context = contextOf(parts);
  const command = new Command('rookery')
    .description('Binary-package build farm and mirror server for fleets of Gentoo servers')
    .version(productVersion())
    .addHelpText(
      'after',
      '\nExamples:\n  $ rookery quickstart\n  $ rookery build request web-v3 app-misc/rookery-web --wait --publish testing',
    );
  const subcommands = [
    quickstartCommand(context),
    serveCommand(parts.serve),
    agentCommand(context, parts.agent),
    profileCommands(context),
    buildCommand(context),
    scheduleCommand(context),
    channelCommand(context),
    packageCommand(context),
    phpCommand(context),
    rsyncCommand(context),
    repositoryCommand(context, parts.rebuild),
    databaseCommand(context, parts.copyDatabase),
    indexCommand(context),
    clientCommand(context),
    keyCommand(context),
    tokenCommand(context),
    journalCommand(context),
    agentsCommand(context),
    nodeCommand(context),
    fleetCommand(context),
    rolloutCommand(context),
  ];
  return programOf(command.enablePositionalOptions(), subcommands, context.output);
}

/** Most of them look at local files; pausing is up to a server. */
function profileCommands(context: CommandContext): Command {
  const command = profileCommand((text) => {
    context.output.raw(text);
  });
  for (const pausing of profilePauseCommands(context)) {
    command.addCommand(pausing);
  }
  return command;
}
