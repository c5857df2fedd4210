import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** What visitors have met. Everything but `requests`, `posts`, `slow`, `moves` and `begun` has to be 0 or empty. */
export interface Visits {
  requests: number;
  posts: number;
  slow: number;
  /** Not answered with 200, or with a reset, or not at all. */
  failed: number;
  /** A version below one that the same visitor has seen, or a session that was refused because of that. */
  regressions: number;
  /** The session's counter went on from an older value. */
  lostUpdates: number;
  /** The counter went up by more than one: something was done twice. */
  doubled: number;
  /** A page of one release with what another one had left in the cache. */
  staleFragments: number;
  /** Answers by farm other than the one before. */
  moves: number;
  /** Sessions. */
  begun: number;
  /** Answers by version, by node, and by PHP tree. */
  readonly versions: Record<string, number>;
  readonly nodes: Record<string, number>;
  readonly trees: Record<string, number>;
  /** The first things that went wrong, in words. */
  readonly wrong: string[];
}

interface Page {
  readonly version: number;
  readonly count: number;
  readonly fragment: number;
  readonly node: string;
  readonly farm: string;
  readonly php: string;
}

export interface VisitorSettings {
  readonly url: string;
  readonly visitors: number;
  /** Longest pause between two requests of a visitor, ms. */
  readonly pauseMs: number;
  /** Part of the requests that are POST. */
  readonly posts: number;
  /** Part of the requests that take `slowMs`. */
  readonly slow: number;
  readonly slowMs: number;
  /** Part of the visits after which somebody else comes in a visitor's place. */
  readonly leaves: number;
}

const DEFAULTS: Omit<VisitorSettings, 'url'> = {
  visitors: 10,
  pauseMs: 60,
  posts: 0.3,
  slow: 0.03,
  slowMs: 500,
  leaves: 0.02,
};

/** Browsers with cookie jars and kept-alive connections that use the lab's application until they are told to end. */
export class Visitors {
  readonly #settings: VisitorSettings;
  readonly #all: Promise<void>[];
  readonly visits: Visits = {
    requests: 0,
    posts: 0,
    slow: 0,
    failed: 0,
    regressions: 0,
    lostUpdates: 0,
    doubled: 0,
    staleFragments: 0,
    moves: 0,
    begun: 0,
    versions: {},
    nodes: {},
    trees: {},
    wrong: [],
  };
  #isOver = false;

  constructor(settings: Partial<VisitorSettings> & Pick<VisitorSettings, 'url'>) {
    this.#settings = { ...DEFAULTS, ...settings };
    this.#all = Array.from({ length: this.#settings.visitors }, async () => {
      await this.#visitor();
    });
  }

  async end(): Promise<Visits> {
    this.#isOver = true;
    await Promise.all(this.#all);
    return this.visits;
  }

  async #visitor(): Promise<void> {
    while (!this.#isOver) {
      const session = new Session(this.#settings.url);
      this.visits.begun += 1;
      do {
        await this.#visit(session);
        await delay(Math.random() * this.#settings.pauseMs);
      } while (!this.#isOver && Math.random() >= this.#settings.leaves);
      session.close();
    }
  }

  async #visit(session: Session): Promise<void> {
    const { posts, slow, slowMs } = this.#settings;
    const method = Math.random() < posts ? 'POST' : 'GET';
    const isSlow = Math.random() < slow;
    this.visits.requests += 1;
    this.visits.posts += method === 'POST' ? 1 : 0;
    this.visits.slow += isSlow ? 1 : 0;
    try {
      const page = await session.ask(method, isSlow ? `/index.php?slow=${slowMs}` : '/index.php');
      this.#judge(session, page);
    } catch (error) {
      const { message, status } = error instanceof Refused ? error : new Refused(0, String(error));
      this.visits.failed += 1;
      this.visits.regressions += status === 409 ? 1 : 0;
      this.#wrong(`${method} ${message}`);
      // Nobody knows whether it was counted.
      session.last = null;
    }
  }

  #judge(session: Session, page: Page): void {
    const { visits } = this;
    visits.versions[page.version] = (visits.versions[page.version] ?? 0) + 1;
    visits.nodes[page.node] = (visits.nodes[page.node] ?? 0) + 1;
    visits.trees[page.php] = (visits.trees[page.php] ?? 0) + 1;
    const { last } = session;
    if (last !== null) {
      if (page.version < session.seen) {
        visits.regressions += 1;
        this.#wrong(`version ${page.version} of ${page.node} after ${session.seen}`);
      }
      const step = page.count - last.count;
      visits.lostUpdates += step < 1 ? 1 : 0;
      visits.doubled += step > 1 ? 1 : 0;
      if (step !== 1) {
        this.#wrong(`count ${page.count} of ${page.node} after ${last.count} of ${last.node}`);
      }
      visits.moves += page.farm === last.farm ? 0 : 1;
    }
    if (page.fragment !== page.version) {
      visits.staleFragments += 1;
      this.#wrong(`a fragment of ${page.fragment} in a page of ${page.version} of ${page.node}`);
    }
    session.last = page;
    session.seen = Math.max(session.seen, page.version);
  }

  #wrong(sentence: string): void {
    if (this.visits.wrong.length < 20) {
      this.visits.wrong.push(sentence);
    }
  }
}

/** An answer that is none. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** One visitor's cookies, and his connection. */
class Session {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #cookies = new Map<string, string>();
  last: Page | null = null;
  seen = 0;

  constructor(url: string) {
    this.#url = url;
  }

  close(): void {
    this.#agent.destroy();
  }

  async ask(method: 'GET' | 'POST', path: string): Promise<Page> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { cookie, ...(method === 'POST' ? { 'content-length': '3' } : {}) };
    const options = { method, agent: this.#agent, headers, timeout: 20_000 };
    const asked = request(this.#url + path, options);
    const response = await new Promise<IncomingMessage>((done, fail) => {
      asked.on('response', done);
      asked.on('timeout', () => asked.destroy(new Error('no answer within 20 s')));
      asked.on('error', (error: NodeJS.ErrnoException) => {
        fail(new Refused(0, `${error.code ?? ''} ${error.message}`));
      });
      asked.end(method === 'POST' ? 'a=b' : undefined);
    });
    return await this.#take(response);
  }

  async #take(response: IncomingMessage): Promise<Page> {
    let text = '';
    response.setEncoding('utf8');
    for await (const piece of response) {
      text += piece;
    }
    for (const line of response.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#cookies.set(name, value);
    }
    if (response.statusCode !== 200) {
      throw new Refused(response.statusCode ?? 0, `${response.statusCode} ${text.slice(0, 200)}`);
    }
    return JSON.parse(text);
  }
}
