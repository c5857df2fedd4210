import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { expect, it } from '@jest/globals';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/rookery-process.ts';
import { Visitors, type Visits } from './visitors.ts';

type Answer = (response: ServerResponse, page: (change?: object) => void) => void;

/** One visitor of an application that answers properly twice, then like this, then properly again. */
async function visitsOf(answer: Answer): Promise<Visits> {
  let asked = 0;
  const serve = (_request: IncomingMessage, response: ServerResponse): void => {
    asked += 1;
    const page = (change: object = {}): void => {
      const proper = { version: 2, count: asked, fragment: 2, node: 'n1', farm: 'f1', php: 'p' };
      response.end(JSON.stringify({ ...proper, ...change }));
    };
    if (asked === 3) {
      answer(response, page);
    } else {
      page();
    }
  };
  const server = createServer(serve);
  const port = await freePort();
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const url = `http://127.0.0.1:${port}`;
  const visitors = new Visitors({ url, visitors: 1, pauseMs: 1, slow: 0, leaves: 0 });
  await poll('six requests', () => (asked >= 6 ? true : undefined));
  const visits = await visitors.end();
  server.closeAllConnections();
  server.close();
  return visits;
}

const NOTHING = {
  failed: 0,
  regressions: 0,
  lostUpdates: 0,
  doubled: 0,
  staleFragments: 0,
};

it.each<[string, Answer, Partial<Visits>]>([
  [
    'nothing',
    (_, page) => {
      page();
    },
    {},
  ],
  ['a reset', (response) => response.socket?.destroy(), { failed: 1 }],
  [
    'an answer that breaks off',
    (response) => {
      response.writeHead(200, { 'content-length': '99' });
      response.write('{');
      setTimeout(() => response.socket?.destroy(), 20);
    },
    { failed: 1 },
  ],
  [
    '503',
    (response) => {
      response.statusCode = 503;
      response.end();
    },
    { failed: 1 },
  ],
  [
    '409',
    (response) => {
      response.statusCode = 409;
      response.end();
    },
    { failed: 1, regressions: 1 },
  ],
  [
    'an older version',
    (_, page) => {
      page({ version: 1, fragment: 1 });
    },
    { regressions: 1 },
  ],
  [
    'a fragment of another version',
    (_, page) => {
      page({ fragment: 1 });
    },
    { staleFragments: 1 },
  ],
  // The one after it goes up by two.
  [
    'a lost update',
    (_, page) => {
      page({ count: 2 });
    },
    { lostUpdates: 1, doubled: 1 },
  ],
  [
    'something done twice',
    (_, page) => {
      page({ count: 4 });
    },
    { doubled: 1, lostUpdates: 1 },
  ],
])('visitors notice %s', async (_, answer, expected) => {
  const visits = await visitsOf(answer);
  expect(visits).toMatchObject({ ...NOTHING, ...expected });
  expect(visits.wrong.length > 0).toBe(Object.keys(expected).length > 0);
});
