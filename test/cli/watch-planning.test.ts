import type { ServerResponse } from 'node:http';
import { expect, it } from '@jest/globals';
import { sendJson, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { runProgram } from './run-program.ts';

stopFarmServersAfterEach();

const ASKED = { kind: 'os', targets: ['zen3/stable'], by: 'token:ops', since: 1 };

function refuse(response: ServerResponse | undefined): void {
  response?.writeHead(422, { 'content-type': 'application/problem+json' });
  const problem = { code: 'rollout-refused', title: 'No.', status: 422, requestId: 'r' };
  response?.end(JSON.stringify(problem));
}

/** A server whose plan is not made before it was asked so often how far it is. */
async function planning(
  looks: number,
  terminal?: { readonly columns: number; readonly rows: number },
): Promise<string> {
  const server = await startFarmServer();
  let waiting: ServerResponse | undefined;
  let asked = 0;
  server.on('POST /api/rollouts', (_, response) => {
    waiting = response;
    if (looks === 0) {
      refuse(response);
    }
  });
  server.on('GET /api/rollouts/planning', (_, response) => {
    asked += 1;
    const other = { ...ASKED, targets: ['zen2/stable'], nodes: 3, doing: 'writing' };
    const doing = asked < looks ? 'reading' : 'planning';
    sendJson(response, 200, {
      planning: [{ ...ASKED, nodes: asked < looks ? 0 : 9000, doing }, other],
    });
    if (asked === looks) {
      response.on('close', () => {
        setImmediate(() => {
          refuse(waiting);
        });
      });
    }
  });
  const words = ['rollout', 'plan', 'os', 'zen3/stable', '--reason', 'x'];
  const { code, stderr } = await runProgram(words, {
    env: { ROOKERY_SERVER: server.url },
    ...(terminal === undefined ? {} : { terminal }),
  });
  expect([code, stderr]).toEqual([1, expect.stringContaining('[rollout-refused]')]);
  return stderr;
}

it('tells how far a plan is that takes longer than a second', async () => {
  expect((await planning(2)).split('\n').slice(0, 2)).toEqual([
    'The server plans: reading what is known of the nodes',
    'The server plans for 9000 nodes: making the plan',
  ]);
  expect(await planning(1, { columns: 80, rows: 24 })).toContain(
    'The server plans for 9000 nodes: making the plan, 0:0',
  );
});

it('says nothing of one that is made at once', async () => {
  expect(await planning(0)).toBe('rookery: No. [rollout-refused]\n');
});
