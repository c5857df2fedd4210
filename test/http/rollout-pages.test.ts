import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { DEFAULT_POLICY } from '../../src/fleet/plan/policy.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let farm: TestServer;

beforeEach(async () => {
  farm = await startTestServer();
});

afterEach(async () => {
  await farm.close();
});

async function planned(): Promise<string> {
  const { id } = await farm.rollouts.plan(
    {
      kind: 'os',
      targets: ['zen3/stable'],
      scope: { sites: [], farms: [], nodes: [] },
      policy: DEFAULT_POLICY,
      reason: 'openssl <3.5>',
    },
    'token:ops',
  );
  return id;
}

async function page(path: string): Promise<string> {
  const { status, text } = await request(farm.url).get(path).set('accept', 'text/html');
  expect([path, status]).toEqual([path, 200]);
  return text;
}

/** Rows of the first table with this caption, cells apart by `|`. */
function rowsOf(text: string, caption: string): string[] {
  const [, table = ''] = text.split(`<caption>${caption}</caption>`);
  return [...(table.split('</table>')[0] ?? '').matchAll(/<tr[^>]*>(.*?)<\/tr>/gs)].map(
    ([, row = '']) =>
      row
        .replaceAll(/<span class="hidden">.*?<\/span>/g, '')
        .replaceAll(/<\/t[hd]>/g, '|')
        .replaceAll(/<[^>]*>/g, '')
        .trim(),
  );
}

describe('the page of a rollout', () => {
  it('draws and explains a plan before its start, with the numbers and the way back', async () => {
    const id = await planned();
    const text = await page(`/rollouts/${id.slice(0, 12)}`);
    expect(rowsOf(text, 'Farms')).toEqual([
      'Farm|1|2|3|',
      'berlin|',
      'web1|w|w|w|',
      'web2|w|w|w|',
      'paris|',
      'web3|w|w||',
    ]);
    expect(rowsOf(text, 'Order of the upgrade')).toEqual([
      'Farm|1|2|3|',
      'web1|1|3|4|',
      'web2|2|3|4|',
      'web3|2|3||',
    ]);
    for (const said of [
      'openssl &lt;3.5&gt;',
      'bear 1.5 times their load',
      'A way back merges publication 16',
      'libssl.so.3 is mapped by php-fpm on 8 nodes.',
      `rookery rollout approve ${id.slice(0, 12)} start`,
      'Failure budget: 0 of 2 used',
    ]) {
      expect(text).toContain(said);
    }
    expect(text).not.toMatch(/ style=|<script(?! type="module" src="\/assets)|onclick/);
  });

  it('shows the wave under way, what it waits for, what failed, and what the monitor sees', async () => {
    const id = await planned();
    await farm.rollouts.approve(id, 'start', 'token:ops');
    await farm.rollouts.start(id, 'token:ops');
    await farm.rollouts.advance(id);
    await farm.rollouts.hold(id, 'wave-3/web2-3', 'It does not boot.');
    farm.rollouts.reading = {
      at: farm.clock.now(),
      invariants: [
        { name: 'I1', sentence: 'Few are out.', violations: ['Two of web1 are out.'] },
        { name: 'I2', sentence: 'Enough serve.', violations: [] },
      ],
      farms: [{ farm: 'web1', serving: 1, out: 2, maxOut: 1 }],
    };
    const text = await page(`/rollouts/${id}`);
    expect(rowsOf(text, 'Farms')).toContain('web1|D|w|w|');
    expect(rowsOf(text, 'Farms')).toContain('web2|w|w|H|');
    for (const said of [
      `data-rollout="/api/rollouts/${id}/events"`,
      '<tr aria-current="step"><td class="number">1</td><th scope="row">canary</th>',
      '<strong>canary/web1-1</strong>: The step drain of os-disruptive is under way.',
      '<strong>wave-3/web2-3</strong> is held: It does not boot.',
      '1 invariant broken',
      'Two of web1 are out.',
      'web1: 2 out, 1 may be, 1 serve',
      'Failure budget: 1 of 2 used',
      'rookery rollout pause',
    ]) {
      expect(text).toContain(said);
    }
    const part = await page(`/rollouts/${id}?part=now`);
    expect(part).toContain('What it waits for');
    expect(part).not.toContain('<caption>Farms</caption>');

    const home = await page('/');
    expect(home).toContain('Rollouts under way');
    expect(home).toContain('1 node held');
    const list = await page('/rollouts');
    expect(list).toContain('6 waiting');
    expect(list).toContain('It does not boot.');
    const { text: metrics } = await request(farm.url).get('/metrics');
    for (const line of [
      'rookery_rollouts{state="running"} 1',
      'rookery_rollout_units{state="held"} 1',
      'rookery_rollout_units{state="waiting"} 6',
      'rookery_fleet_held_nodes 1',
      'rookery_rollout_invariant_violations{invariant="I1"} 1',
      'rookery_rollout_invariant_violations{invariant="I2"} 0',
    ]) {
      expect(metrics).toContain(`${line}\n`);
    }
  });

  it('is not there for what was never planned', async () => {
    const { status } = await request(farm.url).get('/rollouts/nothing').set('accept', 'text/html');
    expect(status).toBe(404);
    expect(await page('/rollouts')).toContain('Nothing was planned yet.');
  });
});
