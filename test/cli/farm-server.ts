import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { afterEach } from '@jest/globals';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export type Handler = (request: SeenRequest, response: ServerResponse) => unknown;

/** A small real server that speaks the protocol as far as a test scripts it. */
export class FarmServer {
  readonly seen: SeenRequest[] = [];
  readonly #routes = new Map<string, Handler>();
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** `on('GET /api/agents', ...)`; the last handler for a route counts. */
  on(route: string, handler: Handler): this {
    this.#routes.set(route, handler);
    return this;
  }

  answer(route: string, body: unknown, status = 200): this {
    return this.on(route, (_, response) => {
      sendJson(response, status, body);
    });
  }

  refuse(route: string, status: number, code: string, title: string): this {
    return this.on(route, (_, response) => {
      response.writeHead(status, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ code, title, status, requestId: 'req-test' }));
    });
  }

  /** Listens on the port it had before, if it had one. */
  async start(): Promise<this> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const url = new URL(request.url ?? '/', 'http://farm');
        const seen = {
          method: request.method ?? '',
          path: url.pathname,
          query: url.searchParams,
          headers: request.headers,
          body: Buffer.concat(chunks),
        };
        this.seen.push(seen);
        const handler = this.#routes.get(`${seen.method} ${seen.path}`) ?? notFound;
        handler(seen, response);
      });
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    const address = server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
    return this;
  }

  /** Cuts every connection, as a killed server does. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) {
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
    }
  }
}

const running = new Set<FarmServer>();

/** A server of this test, stopped after it. */
export async function startFarmServer(): Promise<FarmServer> {
  const server = await new FarmServer().start();
  running.add(server);
  return server;
}

/** Call it once at the top of a test file that starts servers. */
export function stopFarmServersAfterEach(): void {
  afterEach(async () => {
    for (const server of running) {
      await server.stop();
    }
    running.clear();
  });
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function notFound(request: SeenRequest, response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'application/problem+json' });
  response.end(
    JSON.stringify({
      code: 'route-not-found',
      title: `There is nothing at ${request.path}.`,
      status: 404,
      requestId: 'req-test',
    }),
  );
}
