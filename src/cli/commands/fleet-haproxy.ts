import { Command, Option } from 'commander';
import { haproxyConfiguration } from '../../fleet/export/haproxy.ts';
import { HAPROXY_PATTERNS, type HaproxyPattern } from '../../fleet/export/haproxy-site.ts';
import type { Inventory } from '../../fleet/inventory/inventory.ts';
import { readTomlInventory } from '../../fleet/inventory/read-toml.ts';
import { resolveInventory } from '../../fleet/inventory/resolve-inventory.ts';
import type { Backend } from '../../fleet/plan/plan.ts';
import { DEFAULT_POLICY, type RolloutPolicy } from '../../fleet/plan/policy.ts';
import { AppError } from '../../support/errors.ts';
import {
  addExample,
  addServerOptions,
  type CommandContext,
  connect,
  parseCount,
  type ServerOptions,
} from '../command-context.ts';
import { readInventoryFile } from '../inventory-file.ts';
import type { ServerClient } from '../server-client.ts';

/** Of the id of a rollout: as it is shown everywhere. */
const GENERATION_LENGTH = 12;

interface Serving {
  readonly live: Backend;
  readonly generation: string;
}

/** Before any rollout. */
const FIRST: Serving = { live: 'blue', generation: '1' };

interface HaproxyCommandOptions extends ServerOptions {
  readonly inventory?: string;
  readonly pattern: HaproxyPattern;
  readonly balancer?: string;
  readonly bind: string;
  readonly memberPort: number;
  readonly checkPath: string;
  readonly socket?: string;
  readonly maxConnections: number;
  readonly stateFile: string;
  readonly live?: Backend;
  readonly generation?: string;
  readonly newSessions: RolloutPolicy['newSessions'];
}

export function fleetHaproxyCommand(context: CommandContext): Command {
  const command = addServerOptions(
    new Command('haproxy')
      .description('print the configuration of HAProxy for a site')
      .argument('<site>')
      .option('--inventory <file>', 'an inventory in TOML (default: that of the server)')
      .addOption(
        new Option(
          '--pattern <pattern>',
          'how visitors are kept from going back to an older release',
        )
          .choices(HAPROXY_PATTERNS)
          .default('generation-cookie'),
      )
      .option(
        '--balancer <name>',
        'which of the balancers of the site (default: its first HAProxy)',
      )
      .option('--bind <address>', 'what the line "bind" gets', ':80')
      .option('--member-port <port>', 'where members serve', parseCount, 80)
      .option(
        '--check-path <path>',
        'what members are asked to see whether they are well',
        '/health',
      )
      .option('--socket <path>', 'the runtime socket (default: that of the inventory)')
      .option('--max-connections <count>', 'of visitors, at the same time', parseCount, 20_000)
      .option(
        '--state-file <file>',
        'where its state is kept over a reload',
        '/var/lib/haproxy/server-state',
      )
      .addOption(
        new Option(
          '--live <backend>',
          'the backend whose farms serve today (default: the one that rollouts have moved them to; blue with --inventory)',
        ).choices(['blue', 'green']),
      )
      .option(
        '--generation <word>',
        'a word that no earlier upgrade of the site had (default: of the last rollout that moved all farms; 1 before the first)',
      )
      .addOption(
        new Option('--new-sessions <where>', 'where new visitors go while two releases serve')
          .choices(['any-with-floor', 'upgraded-only'])
          .default(DEFAULT_POLICY.newSessions),
      ),
  ).action(async (name: string, options: HaproxyCommandOptions) => {
    context.output.raw(await configurationOf(name, options, context));
  });
  return addExample(
    command,
    'rookery fleet haproxy berlin > /etc/haproxy/haproxy.cfg',
    'rookery fleet haproxy berlin --live green --generation 2026.12',
  );
}

async function configurationOf(
  name: string,
  options: HaproxyCommandOptions,
  context: CommandContext,
): Promise<string> {
  const inventory = await inventoryOf(options, context);
  const site = inventory.sites.find((one) => one.name === name);
  if (site === undefined) {
    throw new AppError('haproxy-not-possible', `The inventory has no site "${name}".`);
  }
  const { balancer = null, socket = null, ...rest } = options;
  const serving = await servingOf(name, options, context);
  return haproxyConfiguration(site, { ...rest, ...serving, balancer, socket });
}

/** What is not said, the server knows: it has moved the farms. */
async function servingOf(
  name: string,
  options: HaproxyCommandOptions,
  context: CommandContext,
): Promise<Serving> {
  const { live, generation, inventory } = options;
  const isSaid = inventory !== undefined || (live !== undefined && generation !== undefined);
  const known = isSaid ? FIRST : await movedTo(name, await connect(options, context));
  return { live: live ?? known.live, generation: generation ?? known.generation };
}

async function movedTo(name: string, client: ServerClient): Promise<Serving> {
  const { sites } = await client.fleetStatus();
  const { live = FIRST.live, rollout = null } = sites.find((one) => one.site === name) ?? {};
  return { live, generation: rollout?.slice(0, GENERATION_LENGTH) ?? FIRST.generation };
}

/** Throws `inventory-unreadable`, and `inventory-refused` when the file is none. */
async function inventoryOf(
  options: HaproxyCommandOptions,
  context: CommandContext,
): Promise<Inventory> {
  if (options.inventory === undefined) {
    return (await (await connect(options, context)).inventory()).inventory;
  }
  const file = await readInventoryFile(context.cwd, options.inventory);
  const { parts, faults } = readTomlInventory([file]);
  const { inventory, faults: found } = resolveInventory(parts);
  const all = faults.length > 0 ? faults : found;
  if (all.length > 0) {
    throw new AppError('inventory-refused', all.join('\n'));
  }
  return inventory;
}
