import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { rolloutsPage } from '../../src/http/web/pages/rollouts-page.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { hanging, type RolloutServer, startRolloutServer } from './rollout-server.ts';

const folder = temporaryFolder();
let farm: RolloutServer;

beforeEach(async () => {
  farm = await startRolloutServer(await mkdtemp(join(folder, 'farm-')));
});

afterEach(async () => {
  await farm.close();
});

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
    const { id } = await farm.planned({ reason: 'openssl <3.5>' });
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
      'web1|2|4|5|',
      'web2|3|4|5|',
      'web3|3|4||',
    ]);
    for (const said of [
      'openssl &lt;3.5&gt;',
      'Before you start',
      'libssl.so.3 is mapped by php-fpm on 8 nodes',
      `rookery rollout approve ${id.slice(0, 12)} start`,
      'Failure budget: 0 of 2 used',
    ]) {
      expect(text).toContain(said);
    }
    expect(text).not.toMatch(/ style=|<script(?! type="module" src="\/assets)|onclick/);
  });

  it('shows the wave under way, what it waits for, and what the monitor sees', async () => {
    const { id } = await farm.started();
    await farm.reaches(id, 'canary/web1-1', 'merge');
    await farm.pass(6000);
    const before = await page(`/rollouts/${id}`);
    expect(rowsOf(before, 'Farms')).toContain('web1|U|w|w|');
    for (const said of [
      `data-rollout="/api/rollouts/${id}/events"`,
      '<tr aria-current="step"><td class="number">2</td><th scope="row">canary</th>',
      '<strong>canary/web1-1</strong>: canary/web1-1 is at merge.',
      'rookery rollout pause',
      '<strong>I7</strong> is not observed: What it brings needs no proof of preproduction',
      'web1: 1 out, 1 may be, 2 serve',
    ]) {
      expect(before).toContain(said);
    }

    farm.fleet
      .balancer({ name: 'berlin' }, 'lb1')
      .set([{ server: { kind: 'member', node: 'web1-2' }, to: 'drain' }]);
    await farm.until(id, ({ state }) => state === 'paused');
    const text = await page(`/rollouts/${id}`);
    for (const said of [
      'I1: 2 members of web1 are out (web1-1; web1-2), and it can spare 1.',
      '2 invariants broken',
      'web1: 2 out, 1 may be, 1 serve',
      'rookery rollout resume',
    ]) {
      expect(text).toContain(said);
    }
    const part = await page(`/rollouts/${id}?part=now`);
    expect(part).toContain('What it waits for');
    expect(part).not.toContain('<caption>Farms</caption>');
    const { text: metrics } = await request(farm.url).get('/metrics');
    for (const line of [
      'rookery_rollouts{state="paused"} 1',
      'rookery_rollout_units{state="waiting"} 7',
      'rookery_rollout_invariant_violations{invariant="I1"} 1',
      'rookery_rollout_invariant_violations{invariant="I3"} 0',
    ]) {
      expect(metrics).toContain(`${line}\n`);
    }
  });

  it('shows what failed, and the nodes that somebody has to look at', async () => {
    farm.fates.step = hanging('web1-1', 'stop-web');
    const { id } = await farm.started();
    await farm.reaches(id, 'canary/web1-1', 'held');
    const text = await page(`/rollouts/${id}`);
    expect(rowsOf(text, 'Farms')).toContain('web1|H|w|w|');
    for (const said of [
      '<strong>canary/web1-1</strong> is held: stop: web1-1 is still at it, or does not know.',
      'Failure budget: 1 of 2 used',
    ]) {
      expect(text).toContain(said);
    }
    const home = await page('/');
    expect(home).toContain('Rollouts under way');
    expect(home).toContain('1 node held');
    const list = await page('/rollouts');
    expect(list).toContain('7 waiting');
    expect(list).toContain('web1-1 is still at it');
    const { text: metrics } = await request(farm.url).get('/metrics');
    for (const line of ['rookery_rollout_units{state="held"} 1', 'rookery_fleet_held_nodes 1']) {
      expect(metrics).toContain(`${line}\n`);
    }
  });

  it('is announced while its plan is made, when that takes longer than a second', async () => {
    const at = farm.time.now();
    const asked = { kind: 'os', targets: ['web/testing'], by: 'token:ops' } as const;
    const rollouts = {
      list: async () => [],
      held: async () => [],
      planning: () => [
        { ...asked, since: at - 3000, nodes: 10_000, doing: 'planning' as const },
        { ...asked, targets: ['fast'], since: at - 900, nodes: 3, doing: 'reading' as const },
      ],
    };
    const text = String((await rolloutsPage({ rollouts, clock: farm.time })).main);
    expect(text).toMatch(
      /Being planned.*os web\/testing, for .*ops.*: makes the plan for 10[^<]*000 nodes/s,
    );
    expect(text).not.toContain('fast');
    expect(farm.engine.rollouts.planning()).toEqual([]);
  });

  it('is not there for what was never planned', async () => {
    const { status } = await request(farm.url).get('/rollouts/nothing').set('accept', 'text/html');
    expect(status).toBe(404);
    expect(await page('/rollouts')).toContain('Nothing was planned yet.');
  });
});
