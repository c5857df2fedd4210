import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openDatabase } from '../../src/database/database.ts';
import { systemClock } from '../../src/support/clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { newServerDatabase } from '../support/test-database.ts';

const folder = temporaryFolder();
const databases = newServerDatabase();
const SOCKET = '.s.PGSQL.5432';
const AUTHENTICATION = 'R'.charCodeAt(0);
/** The end of a connection's start: ReadyForQuery, idle (PostgreSQL's manual, "Message Formats"). */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** ErrorResponse, as a server says it whose postmaster was killed. */
function fatal(): Buffer {
  const fields = Buffer.from(
    'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0',
  );
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

let proxy: Server;
let url: string;
let isBreaking = false;
let broken = 0;
const sockets = new Set<Socket>();

function relay(client: Socket, server: Socket): void {
  sockets.add(client).add(server);
  client.on('error', () => server.destroy()).on('close', () => server.destroy());
  server.on('error', () => client.destroy()).on('close', () => client.destroy());
  client.pipe(server);
  server.on('data', (bytes: Buffer) => {
    const isStart = bytes[0] === AUTHENTICATION && bytes.subarray(-READY.length).equals(READY);
    if (isBreaking && isStart) {
      isBreaking = false;
      broken += 1;
      client.end(Buffer.concat([bytes, fatal()]));
    } else {
      client.write(bytes);
    }
  });
}

beforeAll(async () => {
  const direct = new URL(await databases.make('broken'));
  const host = direct.searchParams.get('host') ?? '';
  proxy = createServer((client) => {
    relay(client, connect(join(host, SOCKET)));
  });
  await new Promise<void>((done) => {
    proxy.listen(join(folder, SOCKET), done);
  });
  direct.searchParams.set('host', folder);
  url = direct.href;
});

afterAll(async () => {
  for (const socket of sockets) {
    socket.destroy();
  }
  proxy.close();
  await databases.drop();
});

it('a connection that ends in the moment in which it is handed out is replaced by another', async () => {
  const database = await openDatabase(url, systemClock);
  const read = async (): Promise<unknown> =>
    await database.selectFrom('build_ids').selectAll().execute();
  expect(await read()).toEqual([]);
  isBreaking = true;
  // More at once than there are connections yet, so that one is made.
  expect(await Promise.all(Array.from({ length: 4 }, read))).toEqual([[], [], [], []]);
  expect(broken).toBe(1);
  expect(await read()).toEqual([]);
  await database.destroy();
});
