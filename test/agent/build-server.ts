import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { z } from 'zod';
import {
  type AgentDescriptionMessage,
  agentDescriptionSchema,
  type IdleMessage,
  type LeaseMessage,
  leaseQuerySchema,
  portagePlanSchema,
  type ResultMessage,
  resultSchema,
} from '../../src/protocol/agents.ts';

/** A job as the server in the test keeps it; it outlives the HTTP server, as a database would. */
export interface ServedJob {
  readonly lease: LeaseMessage;
  readonly source: Buffer | undefined;
  state: 'ready' | 'leased' | 'ended';
  attempt: number;
  log: Buffer;
  /** Whether somebody looks on. */
  isFollowed: boolean;
  command: 'go-on' | 'cancel';
  heartbeats: number;
  uploads: number;
  package: string | undefined;
  plan: z.infer<typeof portagePlanSchema> | undefined;
  result: ResultMessage | undefined;
}

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  context: { readonly job: ServedJob | undefined; readonly url: URL },
) => Promise<void>;

const LONG_POLL_LOOK_MS = 20;

/** A small real server that speaks `src/protocol/agents.ts`, and can be killed and started again on its port. */
export class BuildServer {
  readonly jobs = new Map<string, ServedJob>();
  readonly agents: AgentDescriptionMessage[] = [];
  readonly token = 'rky_test';
  /** Served at /staging/<any name>/. */
  stagingFolder: string | undefined;
  /** Whoever asks for a package of a staging binhost finds nobody there. */
  keepsPackages = false;
  /** Whoever asks for the index of a staging binhost again finds nobody there. */
  givesIndexOnce = false;
  readonly #givenIndexes = new Set<string>();
  /** `what job` of every call, refused ones too. */
  readonly calls: string[] = [];
  publicKey = 'none';
  /** The answer to whoever asks for a job, instead of one. */
  idle: IdleMessage['idle'] | undefined;
  heartbeatMs = 50;
  /** Called before a request is answered; may break the connection by destroying the request. */
  intercept: ((what: string, request: IncomingMessage) => Promise<boolean>) | undefined;
  readonly #folder: string;
  #server: Server | undefined;
  #port = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const server = createServer((request, response) => {
      this.#answer(request, response).catch(() => {
        request.destroy();
      });
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#server = server;
  }

  /** As a crash: every connection breaks at once. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    }
  }

  addJob(lease: Omit<LeaseMessage, 'attempt'>, source?: Buffer): ServedJob {
    const job: ServedJob = {
      lease: { ...lease, attempt: 1 },
      source,
      state: 'ready',
      attempt: 0,
      log: Buffer.alloc(0),
      isFollowed: true,
      command: 'go-on',
      heartbeats: 0,
      uploads: 0,
      package: undefined,
      plan: undefined,
      result: undefined,
    };
    this.jobs.set(lease.jobId, job);
    return job;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    if (url.pathname.startsWith('/staging/')) {
      const isKept = this.keepsPackages && url.pathname.endsWith('.gpkg.tar');
      if (isKept || this.#isIndexRefused(url)) {
        request.destroy();
        return;
      }
      await this.#serveStaging(url, response);
      return;
    }
    const [, , , what = '', jobId = '', part] = url.pathname.split('/');
    const name = part ?? what;
    this.calls.push(`${name} ${jobId}`);
    if (this.intercept !== undefined && (await this.intercept(name, request))) {
      request.destroy();
      return;
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      refuse(response, 401, 'unauthenticated');
      return;
    }
    const job = this.jobs.get(decodeURIComponent(jobId));
    if (part !== undefined && this.#isStale(job, url)) {
      refuse(response, 409, 'stale-attempt');
      return;
    }
    await this.#handler(name)(request, response, { job, url });
  }

  #isStale(job: ServedJob | undefined, url: URL): boolean {
    const attempt = Number(url.searchParams.get('attempt'));
    return job === undefined || job.state !== 'leased' || job.attempt !== attempt;
  }

  #handler(name: string): Handler {
    const handlers: Record<string, Handler> = {
      register: async (request, response) => {
        this.agents.push(agentDescriptionSchema.parse(JSON.parse(await bodyOf(request))));
        const { heartbeatMs, publicKey } = this;
        json(response, { agent: 'x', heartbeatMs, publicKey });
      },
      lease: async (request, response) => {
        await this.#lease(leaseQuerySchema.parse(JSON.parse(await bodyOf(request))), response);
      },
      heartbeat: async (_request, response, { job }) => {
        present(job).heartbeats += 1;
        json(response, { command: present(job).command });
      },
      log: appendLog,
      source: async (_request, response, { job }) => {
        response.end(present(job).source);
      },
      plan: async (request, response, { job }) => {
        present(job).plan = portagePlanSchema.parse(JSON.parse(await bodyOf(request)));
        response.writeHead(204).end();
      },
      package: async (request, response, context) => {
        await this.#receivePackage(request, response, context);
      },
      result: async (request, response, { job }) => {
        present(job).result = resultSchema.parse(JSON.parse(await bodyOf(request)));
        present(job).state = 'ended';
        response.writeHead(204).end();
      },
    };
    return handlers[name] ?? notFound;
  }

  async #lease(query: z.infer<typeof leaseQuerySchema>, response: ServerResponse): Promise<void> {
    if (this.idle !== undefined) {
      json(response, { idle: this.idle });
      return;
    }
    const looks = query.waitMs / LONG_POLL_LOOK_MS;
    for (let look = 0; look < looks && !response.closed; look += 1) {
      const job = [...this.jobs.values()].find((candidate) => candidate.state === 'ready');
      if (job !== undefined) {
        job.state = 'leased';
        job.attempt += 1;
        json(response, { ...job.lease, attempt: job.attempt });
        return;
      }
      await new Promise((resolve) => {
        setTimeout(resolve, LONG_POLL_LOOK_MS);
      });
    }
    response.writeHead(204).end();
  }

  async #receivePackage(
    request: IncomingMessage,
    response: ServerResponse,
    { job, url }: { readonly job: ServedJob | undefined; readonly url: URL },
  ): Promise<void> {
    const target = present(job);
    target.uploads += 1;
    const bytes = await bytesOf(request);
    const sha512 = createHash('sha512').update(bytes).digest('hex');
    const length = Number(request.headers['content-length']);
    if (sha512 !== url.searchParams.get('sha512') || length !== bytes.length) {
      refuse(response, 400, 'upload-damaged');
      return;
    }
    target.package = join(this.#folder, `${target.lease.jobId}.gpkg.tar`);
    await writeFile(target.package, bytes);
    json(response, packageView(sha512, bytes.length));
  }

  #isIndexRefused(url: URL): boolean {
    const [binhost = '', name] = url.pathname.split(/(?<=^\/staging\/[^/]+)\//);
    const isIndex = name === 'Packages' || name === 'Packages.gz';
    const wasGiven = isIndex && this.#givenIndexes.has(binhost);
    if (isIndex) {
      this.#givenIndexes.add(binhost);
    }
    return wasGiven && this.givesIndexOnce;
  }

  async #serveStaging(url: URL, response: ServerResponse): Promise<void> {
    const name = decodeURIComponent(url.pathname.replace(/^\/staging\/[^/]*\//, ''));
    const path = join(this.stagingFolder ?? this.#folder, name);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  }
}

async function appendLog(...[request, response, { job, url }]: Parameters<Handler>): Promise<void> {
  const target = present(job);
  const offset = Number(url.searchParams.get('offset'));
  const bytes = await bytesOf(request);
  const { length } = target.log;
  if (offset > length) {
    refuse(response, 409, 'log-gap', { size: length });
    return;
  }
  target.log = Buffer.concat([target.log, bytes.subarray(length - offset)]);
  json(response, { size: target.log.length, isFollowed: target.isFollowed });
}

async function notFound(...[, response]: Parameters<Handler>): Promise<void> {
  refuse(response, 404, 'not-found');
}

function packageView(sha512: string, size: number): Record<string, unknown> {
  return {
    id: 'package',
    profile: 'test',
    cpv: 'a/b-1',
    slot: '0',
    buildId: 1,
    path: 'a/b/b-1-1.gpkg.tar',
    size,
    sha512,
    buildTime: 1,
    signedBy: 'F',
    description: '',
    use: '',
    importedAt: 1,
  };
}

function present(job: ServedJob | undefined): ServedJob {
  if (job === undefined) {
    throw new Error('no such job');
  }
  return job;
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) {
    pieces.push(Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece)));
  }
  return Buffer.concat(pieces);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  return (await bytesOf(request)).toString('utf8');
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  details?: Record<string, unknown>,
): void {
  const problem = { code, title: `Refused: ${code}.`, status, requestId: 'r', details };
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify(problem));
}
