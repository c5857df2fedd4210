#!/usr/bin/env node
import { once } from 'node:events';
import type { AgentStart } from './cli/commands/agent.ts';
import type { CopyStart } from './cli/commands/database.ts';
import type { RebuildStart } from './cli/commands/repository-rebuild.ts';
import type { Config } from './config/config.ts';
import { systemClock } from './support/clock.ts';

/** Aborts at the first SIGINT or SIGTERM. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      controller.abort();
    });
  }
  return controller.signal;
}

async function configOf(options: { readonly config?: string }): Promise<Config> {
  const { loadConfig } = await import('./config/load-config.ts');
  return await loadConfig({
    ...(options.config === undefined ? {} : { file: options.config }),
    env: process.env,
    cwd: process.cwd(),
  });
}

const rebuild: RebuildStart = async (options) => {
  const { rebuildDatabase } = await import('./rebuild.ts');
  return await rebuildDatabase(await configOf(options), systemClock, options.onProgress);
};

const copyDatabase: CopyStart = async ({ from, to, onProgress }) => {
  const { copyDatabase: copy } = await import('./database/copy-between.ts');
  return await copy({ from, to }, systemClock, onProgress);
};

async function serve(options: { readonly config?: string }): Promise<void> {
  const { startServer } = await import('./server.ts');
  const { createLog } = await import('./support/log.ts');
  const config = await configOf(options);
  const log = createLog(config.log.level);
  const interrupted = interruption();
  const server = await startServer(config, log, systemClock);
  if (!interrupted.aborted) {
    await once(interrupted, 'abort');
  }
  log.info('stopping');
  await server.stop();
}

async function agent(options: Parameters<AgentStart>[0]): Promise<void> {
  const { runAgent } = await import('./agent/run-agent.ts');
  const { createLog } = await import('./support/log.ts');
  await runAgent({ ...options, log: createLog('info'), signal: interruption() });
}

/** Only what the command needs is loaded: most run for less time than the server takes to load. */
const { createProgram } = await import('./cli/program.ts');
const parts = { serve, agent, rebuild, copyDatabase };
process.exitCode = await (await createProgram(parts, process.argv[2])).run(process.argv);
