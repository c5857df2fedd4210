import { createServer, type ServerResponse } from 'node:http';

/** A member of a farm: answers at once, `/slow` when it is let, and can be ill. */
export interface MemberServer {
  readonly port: number;
  isWell: boolean;
  /** Requests for `/slow` that wait. */
  readonly waiting: ServerResponse[];
  close(): Promise<void>;
}

export async function startMember(name: string): Promise<MemberServer> {
  const waiting: ServerResponse[] = [];
  const member = { isWell: true };
  const server = createServer((request, response) => {
    if (request.url === '/slow') {
      waiting.push(response);
    } else if (request.url === '/health') {
      response.writeHead(member.isWell ? 200 : 503).end();
    } else if (request.url === '/error') {
      response.writeHead(500).end();
    } else {
      response.end(name);
    }
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return Object.assign(member, {
    port,
    waiting,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => {
        server.close(done);
      });
    },
  });
}
