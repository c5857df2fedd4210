import type { HardwareProfile } from '../gentoo/profile.ts';
import { agentRows, toAgent } from './agent-store.ts';
import type { AgentRecord, CompileHost } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { LIVE_AGENT_MS } from './waiting-reason.ts';

/** More than that no build keeps busy, and DISTCC_HOSTS stays a line that can be read. */
const MOST_HOSTS = 64;

/**
 * The agents that compile for a build on one of them: alive, active, with a distccd, and with its CHOST and compiler,
 * because another compiler makes other code. The ones that compile most at once come first; the agent itself is not
 * among them. None when nobody knows what compiler the agent has.
 */
export function hostsFor(own: AgentRecord, agents: readonly AgentRecord[]): CompileHost[] {
  const toolchain = own.compiler;
  if (toolchain === null) {
    return [];
  }
  const hosts: CompileHost[] = [];
  for (const { name, chost, compiler, distccd = null } of agents) {
    const isAlike = chost === own.chost && compiler === toolchain;
    if (name !== own.name && isAlike && distccd !== null) {
      hosts.push({ agent: name, ...distccd });
    }
  }
  return hosts
    .toSorted((one, other) => other.jobs - one.jobs || (one.agent < other.agent ? -1 : 1))
    .slice(0, MOST_HOSTS);
}

/** `hostsFor` as things stand now, for a profile that wants it. */
export async function compileHosts(
  context: BuildsContext,
  agent: string | null,
  profile: HardwareProfile,
): Promise<CompileHost[] | undefined> {
  if (profile.compileSharing?.distcc !== true) {
    return undefined;
  }
  const now = context.clock.now();
  const live = (await agentRows(context.database))
    .filter(({ state, name, last_seen_at }) => {
      return name === agent || (state === 'active' && last_seen_at > now - LIVE_AGENT_MS);
    })
    .map((row) => toAgent(row, []));
  const own = live.find(({ name }) => name === agent);
  return own === undefined ? [] : hostsFor(own, live);
}
