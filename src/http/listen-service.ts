import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { AppError, isErrno } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Log } from '../support/log.ts';
import type { CertificateSource } from './certificate.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** When the port is taken, use the next free one instead of failing. */
  readonly nextFreePort: boolean;
  readonly log: Log;
  /** Called at start, with the signal that aborts when the service stops. */
  readonly createListener: (stopping: AbortSignal) => RequestListener;
  /** How long running requests may go on after `stop`. */
  readonly graceMs?: number;
  /** Present: connections are encrypted with what it gives. */
  readonly certificate?: CertificateSource | undefined;
}

export interface ListenService extends Service {
  /** How this machine reaches the server, without a trailing slash. Throws before it listens. */
  url(): string;
  /** Whether it listens on every address, so that `url` holds on this machine only. Throws before it listens. */
  isOnEveryAddress(): boolean;
}

const GRACE_MS = 10_000;
const PORTS_TRIED = 100;
const LAST_PORT = 65_535;
/** A connection on which nothing moves for this long is closed. */
const IDLE_MS = 120_000;
const HEADERS_MS = 30_000;
const KEEP_ALIVE_MS = 20_000;
const SWEEP_MS = 50;
const EVERY_ADDRESS = ['0.0.0.0', '::'];

/**
 * The HTTP server. `stop` refuses new connections, ends event streams and long polls, waits for running requests
 * up to `graceMs`, and then cuts off what is left.
 *
 * `start` throws `port-taken` or `listen-failed`.
 */
export function createListenService(options: ListenOptions): ListenService {
  let server: Server | TlsServer | undefined;
  let stopping = new AbortController();
  let stopped: Promise<void> | undefined;
  let unused: ReadonlyMap<string, Socket> = new Map();
  return {
    name: 'http',
    start: async () => {
      stopping = new AbortController();
      stopped = undefined;
      server = await prepare(options.createListener(stopping.signal), options.certificate);
      unused = unusedConnections(server);
      await listen(server, options);
    },
    stop: async () => {
      if (server === undefined) {
        return;
      }
      stopping.abort();
      await options.certificate?.stop();
      stopped ??= close(server, options.graceMs ?? GRACE_MS, options.log);
      for (const socket of unused.values()) {
        socket.destroy();
      }
      await stopped;
    },
    url: () => {
      const address = addressOf(server);
      const scheme = options.certificate === undefined ? 'http' : 'https';
      return `${scheme}://${hostOf(address)}:${address.port}`;
    },
    isOnEveryAddress: () => EVERY_ADDRESS.includes(addressOf(server).address),
  };
}

function addressOf(server: Server | undefined): AddressInfo {
  const address = server?.address();
  if (address === null || address === undefined || typeof address === 'string') {
    throw new Error('the HTTP server does not listen');
  }
  return address;
}

async function prepare(
  listener: RequestListener,
  certificate: CertificateSource | undefined,
): Promise<Server | TlsServer> {
  const settings = {
    headersTimeout: HEADERS_MS,
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  if (certificate === undefined) {
    const server = createServer(settings, listener);
    server.setTimeout(IDLE_MS);
    return server;
  }
  const server = createTlsServer({ ...settings, handshakeTimeout: HEADERS_MS }, listener);
  server.setTimeout(IDLE_MS);
  await certificate.start((pair) => {
    server.setSecureContext(pair);
  });
  return server;
}

/**
 * The connections on which no request has come yet, by the client's address and port: Node counts them neither as
 * idle nor as closable. With TLS the request comes on another object than the connection.
 */
function unusedConnections(server: Server | TlsServer): ReadonlyMap<string, Socket> {
  const unused = new Map<string, Socket>();
  server.on('connection', (socket) => {
    const name = peerOf(socket);
    unused.set(name, socket);
    socket.once('close', () => {
      unused.delete(name);
    });
  });
  server.on('request', ({ socket }) => {
    unused.delete(peerOf(socket));
  });
  return unused;
}

function peerOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

async function listen(server: Server, options: ListenOptions): Promise<void> {
  const { host, port, nextFreePort } = options;
  const last = nextFreePort && port !== 0 ? Math.min(port + PORTS_TRIED, LAST_PORT) : port;
  for (let candidate = port; candidate <= last; candidate += 1) {
    if (await tryPort(server, host, candidate)) {
      return;
    }
  }
  const tried = last === port ? `The port ${port}` : `Every port from ${port} to ${last}`;
  throw new AppError('port-taken', `${tried} on ${host} is taken by another program.`, {
    details: { host, port },
  });
}

/** Whether the server listens on the port now; false when another program has it. */
async function tryPort(server: Server, host: string, port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve, reject) => {
    const onListening = (): void => {
      server.off('error', onError);
      resolve(true);
    };
    const onError = (error: unknown): void => {
      server.off('listening', onListening);
      if (isErrno(error, 'EADDRINUSE')) {
        resolve(false);
        return;
      }
      reject(
        new AppError('listen-failed', `The server cannot listen on ${host}, port ${port}.`, {
          cause: error,
          details: { host, port },
        }),
      );
    };
    server.once('listening', onListening);
    server.once('error', onError);
    server.listen(port, host);
  });
}

async function close(server: Server, graceMs: number, log: Log): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  const sweep = setInterval(() => {
    server.closeIdleConnections();
  }, SWEEP_MS);
  const cut = setTimeout(() => {
    log.warn({ graceMs }, 'requests did not end in time and are cut off');
    server.closeAllConnections();
  }, graceMs);
  try {
    server.closeIdleConnections();
    await closed;
  } finally {
    clearInterval(sweep);
    clearTimeout(cut);
  }
}

/** An address that stands for all of them is reached from here as the local one. */
function hostOf({ address, family }: AddressInfo): string {
  if (EVERY_ADDRESS.includes(address)) {
    return address === '::' ? '[::1]' : '127.0.0.1';
  }
  return family === 'IPv6' ? `[${address}]` : address;
}
