import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createMail } from '../../../src/fleet/drivers/mail.ts';
import { type NoticeWay, NotifierOfAll } from '../../../src/fleet/drivers/notifier.ts';
import { createWebhook } from '../../../src/fleet/drivers/webhook.ts';
import { silentLog } from '../../../src/support/log.ts';

const NOTICE = {
  rollout: 'abc123',
  urgency: 'attention',
  subject: 'wave-3 waits',
  text: 'web7-3 is held.',
} as const;
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    await new Promise((done) => {
      server.close(done);
    });
  }
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Answers with each status in turn. */
async function webhook(
  statuses: number[],
): Promise<{ readonly way: NoticeWay; readonly got: unknown[] }> {
  const got: unknown[] = [];
  const server = createHttpServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => {
      body += piece.toString();
    });
    request.on('end', () => {
      got.push(JSON.parse(body));
      response.writeHead(statuses.shift() ?? 500, { Connection: 'close' }).end();
    });
  });
  const url = `http://127.0.0.1:${await listen(server)}/secret`;
  const backoff = { initialMs: 1, maximumMs: 2 };
  return { way: createWebhook({ url, timeoutMs: 5000, tries: 3, backoff }), got };
}

/** A mail server that takes one mail and keeps what it was told. */
async function mailServer(): Promise<{ readonly port: number; readonly said: string[] }> {
  const said: string[] = [];
  const server = createServer((socket) => {
    let isData = false;
    socket.write('220 test ESMTP\r\n');
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    let rest = '';
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        said.push(line);
        if (isData) {
          isData = line !== '.';
          socket.write(isData ? '' : '250 kept\r\n');
        } else if (line === 'DATA') {
          isData = true;
          socket.write('354 go on\r\n');
        } else if (line === 'QUIT') {
          socket.end('221 bye\r\n');
        } else {
          socket.write('250 ok\r\n');
        }
      }
    });
  });
  return { port: await listen(server), said };
}

describe('people are told', () => {
  it('by a webhook, again while it is not well', async () => {
    const { way, got } = await webhook([503, 429, 204]);
    await way.send(NOTICE);
    expect(got).toEqual([NOTICE, NOTICE, NOTICE]);
  });

  it('by a webhook no more often than it makes sense', async () => {
    const never = await webhook([500, 500, 500, 200]);
    await expect(never.way.send(NOTICE)).rejects.toMatchObject({ code: 'webhook-failed' });
    expect(never.got).toHaveLength(3);
    const refused = await webhook([404, 200]);
    await expect(refused.way.send(NOTICE)).rejects.toMatchObject({ code: 'webhook-failed' });
    expect(refused.got).toHaveLength(1);
    expect(refused.way.name).not.toContain('secret');
  });

  it('by mail', async () => {
    const { port, said } = await mailServer();
    const mail = { host: '127.0.0.1', port, isTls: false, account: null, timeoutMs: 5000 };
    await createMail({
      ...mail,
      from: 'farm@example.org',
      to: ['a@example.org', 'b@example.org'],
    }).send(NOTICE);
    expect(said).toEqual(
      expect.arrayContaining([
        'MAIL FROM:<farm@example.org>',
        'RCPT TO:<a@example.org>',
        'RCPT TO:<b@example.org>',
        'Subject: [rookery] attention: wave-3 waits',
        'web7-3 is held.',
        'Rollout abc123',
      ]),
    );
  });

  it('in every way there is, and what fails stops nobody', async () => {
    const { way, got } = await webhook([200]);
    const broken: NoticeWay = {
      name: 'broken',
      send: async () => await Promise.reject(new Error('no')),
    };
    await new NotifierOfAll([broken, way], silentLog()).tell(NOTICE);
    expect(got).toEqual([NOTICE]);
  });
});
