import { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { type ContextParts, contextOf, type Program, programOf } from './command-line.ts';
import type { AgentStart } from './commands/agent.ts';
import type { CopyStart } from './commands/database.ts';
import type { RebuildStart } from './commands/repository-rebuild.ts';
import type { ServerStart } from './commands/serve.ts';
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

type Making = (context: CommandContext, parts: ProgramParts) => Promise<Command>;

/** By the command's name, in the order of the help. What a command needs is loaded with it. */
const COMMANDS: Readonly<Record<string, Making>> = {
  quickstart: async (context) =>
    (await import('./commands/quickstart.ts')).quickstartCommand(context),
  serve: async (_context, { serve }) => (await import('./commands/serve.ts')).serveCommand(serve),
  agent: async (context, { agent }) =>
    (await import('./commands/agent.ts')).agentCommand(context, agent),
  profile: async (context) => await profileCommands(context),
  build: async (context) => (await import('./commands/build.ts')).buildCommand(context),
  schedule: async (context) => (await import('./commands/schedule.ts')).scheduleCommand(context),
  channel: async (context) => (await import('./commands/channel.ts')).channelCommand(context),
  package: async (context) => (await import('./commands/package.ts')).packageCommand(context),
  php: async (context) => (await import('./commands/php.ts')).phpCommand(context),
  rsync: async (context) => (await import('./commands/rsync.ts')).rsyncCommand(context),
  repository: async (context, { rebuild }) =>
    (await import('./commands/repository.ts')).repositoryCommand(context, rebuild),
  database: async (context, { copyDatabase }) =>
    (await import('./commands/database.ts')).databaseCommand(context, copyDatabase),
  index: async (context) => (await import('./commands/index.ts')).indexCommand(context),
  client: async (context) => (await import('./commands/client.ts')).clientCommand(context),
  key: async (context) => (await import('./commands/key.ts')).keyCommand(context),
  token: async (context) => (await import('./commands/token.ts')).tokenCommand(context),
  journal: async (context) => (await import('./commands/journal.ts')).journalCommand(context),
  agents: async (context) => (await import('./commands/agents.ts')).agentsCommand(context),
  node: async (context) => (await import('./commands/node.ts')).nodeCommand(context),
  fleet: async (context) => (await import('./commands/fleet.ts')).fleetCommand(context),
  rollout: async (context) => (await import('./commands/rollout.ts')).rolloutCommand(context),
};

/**
 * The `rookery` command. With the name of one of its commands it has that one only: most run for less time than all of
 * them take to load. With any other name, or none, it has all of them.
 */
export async function createProgram(parts: ProgramParts, name?: string): Promise<Program> {
  const context = contextOf(parts);
  const command = new Command('rookery')
    .description('Binary-package build farm and mirror server for fleets of Gentoo servers')
    .version(productVersion())
    .addHelpText(
      'after',
      '\nExamples:\n  $ rookery quickstart\n  $ rookery build request web-v3 app-misc/rookery-web --wait --publish testing',
    );
  const one = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const making = one === undefined ? Object.values(COMMANDS) : [one];
  const subcommands: Command[] = [];
  for (const make of making) {
    subcommands.push(await make(context, parts));
  }
  return programOf(command.enablePositionalOptions(), subcommands, context.output);
}

/** Most of them look at local files; pausing is up to a server. */
async function profileCommands(context: CommandContext): Promise<Command> {
  const { profileCommand } = await import('./commands/profile.ts');
  const { profilePauseCommands } = await import('./commands/profile-pause.ts');
  const command = profileCommand((text) => {
    context.output.raw(text);
  });
  for (const pausing of profilePauseCommands(context)) {
    command.addCommand(pausing);
  }
  return command;
}
