import { createServer } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  createListenService,
  type ListenOptions,
  type ListenService,
} from '../../src/http/listen-service.ts';
import { silentLog } from '../../src/support/log.ts';
import { poll } from '../support/poll.ts';
import { listenOnFreePort } from './test-server.ts';

const services: ListenService[] = [];

afterEach(async () => {
  await Promise.all(services.splice(0).map(async (service) => await service.stop()));
});

async function started(options: Partial<ListenOptions> = {}): Promise<ListenService> {
  const service = createListenService({
    host: '127.0.0.1',
    port: 0,
    nextFreePort: false,
    log: silentLog(),
    createListener: () => (_request, response) => response.end('here'),
    ...options,
  });
  services.push(service);
  await service.start();
  return service;
}

describe('the listening service', () => {
  it('says where it really listens', async () => {
    const service = await started();
    expect(service.url()).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
    expect(await (await fetch(service.url())).text()).toBe('here');
  });

  it.each([
    ['0.0.0.0', /^http:\/\/127\.0\.0\.1:/, true],
    ['::1', /^http:\/\/\[::1\]:/, false],
  ])('on %s has a URL that works', async (host, pattern, isOnEveryAddress) => {
    const service = await started({ host });
    expect(service.isOnEveryAddress()).toBe(isOnEveryAddress);
    expect(service.url()).toMatch(pattern);
    expect((await fetch(service.url())).status).toBe(200);
  });

  it('takes the next free port when it is told to, and fails otherwise', async () => {
    const blocker = createServer();
    const port = await listenOnFreePort(blocker);
    try {
      const next = await started({ port, nextFreePort: true });
      expect(Number(new URL(next.url()).port)).toBeGreaterThan(port);
      await expect(started({ port })).rejects.toMatchObject({ code: 'port-taken' });
    } finally {
      blocker.close();
    }
  });

  it('says which address it cannot have', async () => {
    await expect(started({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'listen-failed' });
  });

  it('ends what waits, lets running requests finish, and refuses new ones', async () => {
    let finish: (() => void) | undefined;
    let isWaiting = false;
    const service = await started({
      createListener: (stopping) => (request, response) => {
        if (request.url === '/waits') {
          isWaiting = true;
          stopping.addEventListener('abort', () => response.end('stopped'));
        } else {
          response.write('first half, ');
          finish = () => response.end('second half');
        }
      },
    });
    const url = service.url();
    const running = await fetch(`${url}/runs`);
    const waiting = fetch(`${url}/waits`);
    await poll('both to arrive', () => (isWaiting ? finish : undefined));
    const stopped = service.stop();
    expect(await (await waiting).text()).toBe('stopped');
    await expect(fetch(`${url}/late`)).rejects.toThrow('fetch failed');
    finish?.();
    expect(await running.text()).toBe('first half, second half');
    await stopped;
    await service.stop();
  });

  it('does not wait for a connection that has never asked for anything', async () => {
    const service = await started({ graceMs: 60_000 });
    await fetch(service.url(), { headers: { connection: 'close' } });
    const { hostname, port } = new URL(service.url());
    const socket = connect(Number(port), hostname);
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    await new Promise((resolve) => {
      socket.once('connect', resolve);
    });

    await service.stop();

    await closed;
  });

  it('cuts off what does not end in time', async () => {
    const service = await started({
      graceMs: 50,
      createListener: () => (_request, response) => {
        response.write('never ');
      },
    });
    const response = await fetch(service.url());
    await service.stop();
    await expect(response.text()).rejects.toThrow('terminated');
  });

  it('may be stopped before it was started', async () => {
    const service = createListenService({
      host: '127.0.0.1',
      port: 0,
      nextFreePort: false,
      log: silentLog(),
      createListener: () => () => undefined,
    });
    await service.stop();
    expect(() => service.url()).toThrow('does not listen');
  });
});
