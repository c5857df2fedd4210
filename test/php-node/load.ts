import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { poll } from '../support/poll.ts';

export interface LoadCounts {
  readonly requests: number;
  /** Not answered with 200 and the id of a tree; resets that the client saw are in it. */
  readonly failed: number;
  /**
   * Requests on a kept-alive connection that the server closed while they were on their way: no byte of an answer came.
   * nginx does this at every reload, whatever it passes requests to, and RFC 9112, 9.3.1 lets clients try again.
   */
  readonly keepAliveRaces: number;
  /** Answers by tree. */
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

interface Target {
  readonly url: string;
  readonly agent: Agent;
  isReady: boolean;
  underWay: number;
}

const RESETS = new Set(['ECONNRESET', 'EPIPE']);

/** Clients that ask web servers without a pause over kept-alive connections, as a load balancer would have them do. */
export class Load {
  readonly #targets = new Map<string, Target>();
  readonly #clients: Promise<void>[] = [];
  readonly #answers: Record<string, number> = {};
  readonly #failures: string[] = [];
  #requests = 0;
  #races = 0;
  #isOver = false;

  constructor(urls: readonly string[], clients: number, pauseMs = 2) {
    for (const url of urls) {
      const agent = new Agent({ keepAlive: true, maxSockets: clients });
      this.#targets.set(url, { url, agent, isReady: true, underWay: 0 });
    }
    for (let number = 0; number < clients; number += 1) {
      this.#clients.push(this.#client(number, pauseMs));
    }
  }

  get requests(): number {
    return this.#requests;
  }

  async #client(number: number, pauseMs: number): Promise<void> {
    for (let count = number; !this.#isOver; count += 1) {
      const ready = [...this.#targets.values()].filter(({ isReady }) => isReady);
      const target = ready[count % ready.length];
      if (target !== undefined) {
        // Now and then one that takes its time, and is under way when something happens.
        await this.#ask(target, count % 50 === 0 ? '/slow.php' : '/id.php');
      }
      await delay(pauseMs);
    }
  }

  async #ask(target: Target, path: string): Promise<void> {
    target.underWay += 1;
    this.#requests += 1;
    await new Promise<void>((done) => {
      const fail = (why: string): void => {
        this.#failures.push(`${target.url}${path}: ${why}`);
        done();
      };
      const request = get(`${target.url}${path}`, { agent: target.agent, timeout: 15_000 });
      request.on('timeout', () => request.destroy(new Error('no answer within 15 s')));
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (request.reusedSocket && RESETS.has(error.code ?? '')) {
          this.#races += 1;
          done();
        } else {
          fail(`${error.code ?? ''} ${error.message}`);
        }
      });
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          text += piece;
        });
        response.on('error', (error) => {
          fail(`the answer broke off: ${error.message}`);
        });
        response.on('end', () => {
          if (response.statusCode === 200 && /^[0-9.]+-.*-r\d+$/.test(text)) {
            this.#answers[text] = (this.#answers[text] ?? 0) + 1;
            done();
          } else {
            fail(`${response.statusCode} ${text.slice(0, 100)}`);
          }
        });
      });
    });
    target.underWay -= 1;
  }

  /** No new requests to it; resolves when none is under way and its connections are closed. */
  async drain(url: string): Promise<void> {
    const target = this.#target(url);
    target.isReady = false;
    await poll(`the requests to ${url} to end`, () => (target.underWay === 0 ? true : undefined));
    target.agent.destroy();
  }

  ready(url: string): void {
    this.#target(url).isReady = true;
  }

  #target(url: string): Target {
    const target = this.#targets.get(url);
    if (target === undefined) {
      throw new Error(`${url} is no target of this load`);
    }
    return target;
  }

  async end(): Promise<LoadCounts> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    for (const { agent } of this.#targets.values()) {
      agent.destroy();
    }
    return {
      requests: this.#requests,
      failed: this.#failures.length,
      keepAliveRaces: this.#races,
      answers: this.#answers,
      failures: this.#failures.slice(0, 10),
    };
  }
}
