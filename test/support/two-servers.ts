import { afterAll, beforeAll } from '@jest/globals';
import { poll } from './poll.ts';
import { type Program, TestServer } from './rookery-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Two servers on one PostgreSQL and one set of folders, and agents. They start before the tests, and are killed after. */
export interface TwoServers {
  readonly folder: string;
  readonly servers: () => readonly [TestServer, TestServer];
  readonly startAgent: (name: string, at: { readonly url: string }) => Program;
  /** Those that say that they lead. */
  readonly leaders: () => Promise<TestServer[]>;
  /** Waits until this one leads. */
  readonly waitToLead: (server: TestServer) => Promise<void>;
}

/** Call it outside of tests and hooks. */
export function twoServers(options: {
  /** Fills the folder before the servers start. */
  readonly prepare: (folder: string) => Promise<void>;
  /** The URL of an empty database. */
  readonly database: () => Promise<string>;
  readonly removeDatabase: () => Promise<void>;
  readonly settings: readonly string[];
}): TwoServers {
  const agents: Program[] = [];
  let pair: readonly [TestServer, TestServer];
  // Before the folder goes, those who write there are gone.
  afterAll(async () => {
    for (const program of [...agents, ...pair.map((server) => server.program)]) {
      await program.kill();
    }
    await options.removeDatabase();
  });
  const folder = temporaryFolder();
  beforeAll(async () => {
    await options.prepare(folder);
    const url = await options.database();
    const settings = ['[database]', `url = "${url}"`, ...options.settings].join('\n');
    pair = [
      await TestServer.create(folder, settings, 'one'),
      await TestServer.create(folder, settings, 'two'),
    ];
    // Both for the first time, and at once: tables, key and tokens are made by one of them.
    await Promise.all(pair.map(async (server) => await server.start()));
  }, 120_000);
  return {
    folder,
    servers: () => pair,
    startAgent: (name, { url }) => {
      const agent = pair[0].agent(name, { url });
      agent.start();
      agents.push(agent);
      return agent;
    },
    leaders: async () => {
      const found: TestServer[] = [];
      for (const server of pair) {
        if (await leads(server.program)) {
          found.push(server);
        }
      }
      return found;
    },
    waitToLead: async ({ program }) => {
      await poll('it to lead', async () => ((await leads(program)) ? true : undefined));
    },
  };
}

async function leads(program: Program): Promise<boolean> {
  const lines = (await program.log()).split('\n').filter((line) => line.includes('"msg":"leads'));
  return lines.at(-1)?.includes('"msg":"leads:') ?? false;
}
