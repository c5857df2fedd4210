import { Command } from 'commander';
import type { AgentView } from '../../protocol/agents.ts';
import {
  type AnswerOptions,
  addAnswerOptions,
  addExample,
  type CommandContext,
  connect,
} from '../command-context.ts';
import { formatAge, formatSize } from '../format.ts';

export function agentsCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('agents').description('list the builders and what they do'),
  ).action(async (options: AnswerOptions) => {
    const { output, clock } = context;
    const agents = await (await connect(options, context)).agents();
    if (options.json) {
      output.json(agents);
      return;
    }
    if (agents.length === 0) {
      output.line('No agent has registered yet.');
      return;
    }
    output.table(
      [
        { title: 'NAME' },
        { title: 'STATE' },
        { title: 'SEEN' },
        { title: 'CORES', align: 'right' },
        { title: 'MEMORY', align: 'right' },
        { title: 'CHOST' },
        { title: 'EXECUTORS' },
        { title: 'PORTAGE' },
        { title: 'JOBS' },
      ],
      agents.map((agent) => [
        agent.name,
        stateOf(agent, output),
        formatAge(agent.lastSeenAt, clock.now()),
        String(agent.cores),
        formatSize(agent.memoryBytes),
        agent.chost,
        agent.executors.join(' '),
        agent.portageVersion ?? '-',
        agent.jobIds.length === 0 ? '-' : agent.jobIds.join(' '),
      ]),
    );
  });
  command.addCommand(drainCommand(context));
  command.addCommand(resumeCommand(context));
  return addExample(command, 'rookery agents');
}

function stateOf(agent: AgentView, output: CommandContext['output']): string {
  if (!agent.isLive) {
    return output.paint('red', 'away');
  }
  return agent.state === 'active'
    ? output.paint('green', 'live')
    : output.paint('red', agent.state);
}

interface DrainOptions extends AnswerOptions {
  readonly reason: string;
}

function drainCommand(context: CommandContext): Command {
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
  return addExample(command, 'rookery agents drain builder-1 --reason "new memory"');
}

function resumeCommand(context: CommandContext): Command {
  const command = addAnswerOptions(
    new Command('resume').description('give an agent jobs again').argument('<agent>'),
  ).action(async (name: string, _: unknown, self: Command) => {
    const options: AnswerOptions = self.optsWithGlobals();
    const agent = await (await connect(options, context)).resumeAgent(name);
    tell(context, options, agent, `${agent.name} gets jobs again.`);
  });
  return addExample(command, 'rookery agents resume builder-1');
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
