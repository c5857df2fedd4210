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
    for (const { name, state, stateReason } of agents) {
      if (state !== 'active') {
        output.note(`${name} is ${state}: ${stateReason ?? ''}`);
      }
    }
  });
  return addExample(command, 'rookery agents');
}

function stateOf(agent: AgentView, output: CommandContext['output']): string {
  if (agent.state !== 'active') {
    return output.paint('red', agent.state);
  }
  return agent.isLive ? output.paint('green', 'live') : output.paint('red', 'away');
}
