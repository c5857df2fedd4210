import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../support/errors.ts';
import { newToken } from '../../support/ids.ts';
import type { Service } from '../../support/lifecycle.ts';
import type { Log } from '../../support/log.ts';

const PATH = /^\/([^/]+)(\/[0-9a-z]{2}\/[0-9a-z]{10,126})$/;
const METHODS = ['GET', 'HEAD', 'PUT', 'DELETE'];
const ANSWER_MS = 60_000;

/**
 * Stands between the ccache of builds and the server: listens on this machine only, and passes on what builds ask with
 * the token of the agent. So no build sees that token, and a server that speaks TLS, which ccache does not, can be
 * used. Every build has an address of its own that ends with it.
 */
export class CcacheRelay implements Service {
  readonly name = 'ccache relay';
  readonly #server: string;
  readonly #token: string;
  readonly #log: Log;
  /** Secret -> URL path on the server, without a slash at its end. */
  readonly #places = new Map<string, string>();
  #http: Server | undefined;
  #port = 0;

  constructor(options: { readonly server: string; readonly token: string; readonly log: Log }) {
    this.#server = options.server.replace(/\/+$/, '');
    this.#token = options.token;
    this.#log = options.log;
  }

  async start(): Promise<void> {
    const http = createServer((request, response) => {
      void this.#answer(request, response);
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const address = http.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#http = http;
  }

  async stop(): Promise<void> {
    const http = this.#http;
    this.#http = undefined;
    if (http !== undefined) {
      http.close();
      http.closeAllConnections();
      await once(http, 'close');
    }
  }

  /** An address of this machine for what the server has at `path`, such as `/ccache/web/`. */
  open(path: string): { readonly url: string; readonly close: () => void } {
    const secret = newToken();
    this.#places.set(secret, path.replace(/\/+$/, ''));
    return {
      url: `http://127.0.0.1:${this.#port}/${secret}`,
      close: () => {
        this.#places.delete(secret);
      },
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '' } = request;
    const [, secret = '', key = ''] = PATH.exec(request.url ?? '') ?? [];
    const place = this.#places.get(secret);
    if (place === undefined || !METHODS.includes(method)) {
      request.resume();
      response.writeHead(place === undefined ? 404 : 405).end();
      return;
    }
    try {
      await this.#pass(`${this.#server}${place}${key}`, { method, request, response });
    } catch (error) {
      this.#log.debug({ method, reason: messageOf(error) }, 'the shared ccache did not answer');
      if (response.headersSent) {
        response.destroy();
      } else {
        request.resume();
        response.writeHead(502).end();
      }
    }
  }

  async #pass(
    url: string,
    {
      method,
      request,
      response,
    }: {
      readonly method: string;
      readonly request: IncomingMessage;
      readonly response: ServerResponse;
    },
  ): Promise<void> {
    const length = request.headers['content-length'];
    const answer = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(method === 'PUT' && {
          'content-type': 'application/octet-stream',
          ...(length !== undefined && { 'content-length': length }),
        }),
      },
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(method === 'PUT' && { body: request, duplex: 'half' as const }),
    });
    const size = answer.headers.get('content-length');
    response.writeHead(answer.status, size === null ? {} : { 'content-length': size });
    if (answer.body === null || method === 'HEAD') {
      await answer.body?.cancel();
      response.end();
      return;
    }
    await pipeline(Readable.from(answer.body), response);
  }
}
