import { Command } from 'commander';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';

export function agentRestoreCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('restore')
      .description('give an agent that was taken out jobs again')
      .argument('<name>'),
  ).action(async (name: string, _: unknown, self: Command) => {
    const options: AnswerOptions = self.optsWithGlobals();
    const agent = await (await connect(options, context)).restoreAgent(name);
    if (options.json) {
      context.output.json(agent);
    } else {
      context.output.line(`${agent.name} is ${agent.state}; it gets jobs again.`);
    }
  });
  return addExample(command, 'rookery agent restore pre3');
}
