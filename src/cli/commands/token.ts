import { Command, Option } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  type ServerOptions,
} from '../command-context.ts';
import { formatTime } from '../format.ts';
import { intoTokenFile } from '../token-file.ts';

interface SecretOptions extends AnswerOptions {
  readonly to?: string;
}

interface NewToken {
  readonly name: string;
  readonly role: string;
  readonly token: string;
}

const ROLES = ['admin', 'builder', 'node'] as const;

export function tokenCommand(context: CommandContext): Command {
  const command = new Command('token').description('make, list, rotate and revoke access tokens');
  command.addCommand(createCommand(context));
  command.addCommand(listCommand(context));
  command.addCommand(rotateCommand(context));
  command.addCommand(revokeCommand(context));
  return addExample(command, 'rookery token create builder-1 --role builder');
}

function createCommand(context: CommandContext): Command {
  const command = secretCommand('create', 'make a token; it is shown once')
    .addOption(
      new Option('--role <role>', 'what it may do').choices(ROLES).makeOptionMandatory(true),
    )
    .action(async (name: string, options: SecretOptions & { readonly role: string }) => {
      const client = await connect(options, context);
      await handOver(context, options, {
        make: async () => await client.createToken(name, options.role),
        note: `This token of role ${options.role} is shown once: keep it.`,
      });
    });
  return addExample(command, 'rookery token create builder-1 --role builder --to builder-1.token');
}

function rotateCommand(context: CommandContext): Command {
  const command = secretCommand(
    'rotate',
    'give a token a new secret; the old one is void at once',
  ).action(async (name: string, options: SecretOptions) => {
    const client = await connect(options, context);
    await handOver(context, options, {
      make: async () => await client.rotateToken(name),
      note: 'This secret is shown once: keep it. The old one is void.',
    });
  });
  return addExample(command, 'rookery token rotate builder-1 --to builder-1.new.token');
}

function secretCommand(name: string, description: string): Command {
  return addAnswerOptions(new Command(name).description(description).argument('<name>')).option(
    '--to <file>',
    'write it to a new file that only its owner can read, instead of printing it',
  );
}

async function handOver(
  { output, cwd }: CommandContext,
  options: SecretOptions,
  { make, note }: { readonly make: () => Promise<NewToken>; readonly note: string },
): Promise<void> {
  if (options.to !== undefined) {
    const made = await intoTokenFile({ file: options.to, cwd }, make);
    output.line(`Token ${made.name} of role ${made.role} is in ${options.to}.`);
    return;
  }
  const made = await make();
  if (options.json) {
    output.json(made);
  } else {
    output.line(made.token);
    output.note(note);
  }
}

function listCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('list').description('list the tokens by name'),
  ).action(async (options: AnswerOptions) => {
    const tokens = await (await connect(options, context)).tokens();
    if (options.json) {
      context.output.json(tokens);
      return;
    }
    context.output.table(
      [{ title: 'NAME' }, { title: 'ROLE' }, { title: 'MADE' }, { title: 'REVOKED' }],
      tokens.map((token) => [
        token.name,
        token.role,
        formatTime(token.createdAt),
        token.revokedAt === null ? '-' : formatTime(token.revokedAt),
      ]),
    );
  });
  return addExample(command, 'rookery token list');
}

function revokeCommand(context: CommandContext): Command {
  const command = addServerOptions(
    new Command('revoke').description('make a token worthless from now on').argument('<name>'),
  ).action(async (name: string, options: ServerOptions) => {
    await (await connect(options, context)).revokeToken(name);
    context.output.line(`Token ${name} is revoked.`);
  });
  return addExample(command, 'rookery token revoke builder-1');
}
