import { createServer } from 'node:http';
import { expect, it } from '@jest/globals';
import { makePlan } from '../../../src/fleet/plan/make-plan.ts';
import { makePlanApart } from '../../../src/fleet/plan/make-plan-apart.ts';
import { listenOnFreePort } from '../../http/test-server.ts';
import { inputOf } from './topology.ts';

const FARM = { members: Array.from({ length: 50 }, (_, at) => ({ index: at + 1 })) };
const SITE = Array.from({ length: 6 }, () => FARM);
const LARGE = inputOf('os-disruptive', { sites: [SITE, SITE] });

it('is the same plan, for few nodes and for many', async () => {
  for (const input of [LARGE, inputOf('os-disruptive', { sites: [[FARM]] })]) {
    expect(await makePlanApart(input)).toEqual(makePlan(input));
  }
});

it('says the same problems', async () => {
  const scope = { sites: ['rome'], farms: [], nodes: [] };
  const made = await makePlanApart({ ...LARGE, scope });
  expect(made).toEqual(makePlan({ ...LARGE, scope }));
  expect(made).toMatchObject({ problems: [{ code: 'scope-unknown', subject: 'rome' }] });
});

async function asked(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

it('lets the server answer others while it is made', async () => {
  const server = createServer((_, response) => {
    response.end('well');
  });
  const url = `http://127.0.0.1:${await listenOnFreePort(server)}/`;
  try {
    const making = makePlanApart(LARGE);
    const made = making.then(() => 'made');
    let answers = 0;
    while ((await Promise.race([made, asked(url)])) === 'well') {
      answers += 1;
    }
    await making;
    expect(answers).toBeGreaterThan(0);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }
});
