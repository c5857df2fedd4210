import { Command } from 'commander';
import type { AgentView } from '../../protocol/agents.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';

interface DrainOptions extends AnswerOptions {
  readonly reason: string;
}

/** `rookery agent drain`. */
export function agentDrainCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('drain')
      .description('give an agent no new jobs; what it holds it finishes')
      .argument('<agent>'),
  )
    .requiredOption('--reason <text>', 'why, for those whose jobs wait')
    .action(async (name: string, _: unknown, self: Command) => {
      const options: DrainOptions = self.optsWithGlobals();
      const agent = await (await connect(options, context)).drainAgent(name, options.reason);
      tell(context, options, agent, `${agent.name} is drained; it holds ${held(agent)}.`);
    });
  return addExample(command, 'rookery agent drain builder-1 --reason "new memory"');
}

/** `rookery agent resume`. */
export function agentResumeCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('resume').description('give an agent jobs again').argument('<agent>'),
  ).action(async (name: string, _: unknown, self: Command) => {
    const options: AnswerOptions = self.optsWithGlobals();
    const agent = await (await connect(options, context)).resumeAgent(name);
    tell(context, options, agent, `${agent.name} gets jobs again.`);
  });
  return addExample(command, 'rookery agent resume builder-1');
}

function held(agent: AgentView): string {
  return agent.jobIds.length === 0 ? 'no job' : agent.jobIds.join(' ');
}

function tell(
  { output }: CommandContext,
  options: AnswerOptions,
  agent: AgentView,
  line: string,
): void {
  if (options.json) {
    output.json(agent);
  } else {
    output.line(line);
  }
}
