import { randomBytes } from 'node:crypto';
import { AppError, messageOf } from '../../support/errors.ts';
import type { Endpoint, Farm } from '../inventory/inventory.ts';
import { callSocket } from './line-call.ts';
import type { CacheDriver } from './ports.ts';

/** Empties memcached. Protocol: memcached's doc/protocol.txt. */
export class MemcachedDriver implements CacheDriver {
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  async flush(farm: Farm, endpoint: Endpoint): Promise<void> {
    const key = `rookery-flush-${randomBytes(12).toString('hex')}`;
    const before = flushesOf(await this.#ask(farm, endpoint, 'stats\r\n'));
    const stored = await this.#ask(farm, endpoint, `set ${key} 0 600 1\r\nx\r\nget ${key}\r\n`);
    if (stored !== `STORED\r\nVALUE ${key} 0 1\r\nx\r\nEND\r\n`) {
      throw notFlushed(farm, endpoint, `it does not keep what it is given: ${shown(stored)}`);
    }
    const flushed = await this.#ask(farm, endpoint, 'flush_all\r\n', /\r\n$/);
    if (flushed !== 'OK\r\n') {
      throw notFlushed(farm, endpoint, `it answers ${shown(flushed)} to flush_all`);
    }
    const left = await this.#ask(farm, endpoint, `get ${key}\r\n`);
    const after = flushesOf(await this.#ask(farm, endpoint, 'stats\r\n'));
    if (left !== 'END\r\n') {
      throw notFlushed(farm, endpoint, 'what was put in before is still there');
    }
    if (before === undefined || after === undefined || after <= before) {
      throw notFlushed(farm, endpoint, `its count of flushes went from ${before} to ${after}`);
    }
  }

  async #ask(
    { name }: Farm,
    { host, port }: Endpoint,
    text: string,
    end = /(^|\r\n)(END|ERROR|(CLIENT|SERVER)_ERROR [^\r\n]*)\r\n$/,
  ): Promise<string> {
    try {
      const said = await callSocket({ host, port }, text, {
        timeoutMs: this.#timeoutMs,
        maxBytes: 1024 * 1024,
        isWhole: (so) => end.test(so),
      });
      if (!end.test(said)) {
        throw new Error(`it ends the connection after ${shown(said)}`);
      }
      return said;
    } catch (error) {
      throw new AppError(
        'cache-unreachable',
        `The memcached ${host}:${port} of ${name} gives no answer: ${messageOf(error)}`,
        { details: { farm: name, host, port } },
      );
    }
  }
}

function flushesOf(stats: string): number | undefined {
  const [, number] = /^STAT cmd_flush ([0-9]+)\r?$/m.exec(stats) ?? [];
  return number === undefined ? undefined : Number(number);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function notFlushed({ name }: Farm, { host, port }: Endpoint, why: string): AppError {
  return new AppError(
    'cache-not-flushed',
    `The memcached ${host}:${port} of ${name} is not known to be empty: ${why}.`,
    { details: { farm: name, host, port } },
  );
}
