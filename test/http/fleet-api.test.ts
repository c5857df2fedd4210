import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import {
  importedInventorySchema,
  inventoryListSchema,
  inventoryViewSchema,
} from '../../src/protocol/fleet.ts';
import { sampleInventory } from '../fleet/sample-inventory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer } from './api-fixture.ts';
import { type ProofServer, startProofServer } from './proof-server.ts';

const folder = temporaryFolder();
let farm: ProofServer;
let admin: string;

beforeAll(async () => {
  farm = await startProofServer(await mkdtemp(join(folder, 'farm-')));
  admin = await farm.tokens.create('ops', 'admin', 'test');
});

afterAll(async () => {
  await farm.close();
});

async function put(body: object, token = admin): Promise<request.Response> {
  return await request(farm.url).put('/api/fleet/inventory').set(bearer(token)).send(body);
}

function toml(text: string, changes: object = {}): object {
  return { format: 'toml', files: [{ name: 'fleet.toml', text }], reason: 'a test', ...changes };
}

async function get(path: string): Promise<request.Response> {
  return await request(farm.url).get(path);
}

describe('the inventory', () => {
  it('is not there at first', async () => {
    const response = await get('/api/fleet/inventory');
    expect([response.status, response.body.code]).toEqual([404, 'unknown-inventory']);
  });

  it('is for administrators to change', async () => {
    const node = await farm.tokens.create('web7-01', 'node', 'test');
    const refused = await put(toml(sampleInventory()), node);
    const unknown = await request(farm.url).put('/api/fleet/inventory').send({});

    expect([refused.status, refused.body.code]).toEqual([403, 'role-too-low']);
    expect(unknown.status).toBe(401);
    expect((await get('/api/fleet/inventory')).status).toBe(404);
  });

  it('says what would change, and changes nothing, when it is only asked', async () => {
    const response = await put(toml(sampleInventory(), { dryRun: true }));

    const { isNew, changes } = importedInventorySchema.parse(response.body);
    expect(isNew).toBe(true);
    expect(changes.nodes.added).toEqual(['web7-01', 'web7-02', 'web7-03']);
    expect((await get('/api/fleet/inventory')).status).toBe(404);
  });

  it('is kept as revisions, with who, when and why', async () => {
    const first = importedInventorySchema.parse((await put(toml(sampleInventory()))).body);
    const second = importedInventorySchema.parse(
      (
        await put(
          toml(sampleInventory('members = "web7-[01-02,04]"'), { reason: 'web7-03 burned' }),
        )
      ).body,
    );

    expect(first.revision).toMatchObject({ revision: 1, author: 'token:ops', reason: 'a test' });
    expect(second.changes.nodes).toEqual({ added: ['web7-04'], removed: ['web7-03'], changed: [] });
    expect(second.changes.farms.changed).toEqual([]);
    const list = inventoryListSchema.parse((await get('/api/fleet/inventory/revisions')).body);
    expect(list.revisions.map(({ revision, reason }) => [revision, reason])).toEqual([
      [2, 'web7-03 burned'],
      [1, 'a test'],
    ]);
    expect(list.revisions[1]).toEqual(first.revision);
  });

  it('is read as it holds now, and as it was', async () => {
    const now = inventoryViewSchema.parse((await get('/api/fleet/inventory')).body);
    const before = inventoryViewSchema.parse((await get('/api/fleet/inventory?revision=1')).body);

    const nodes = ({ inventory }: typeof now) =>
      inventory.sites.flatMap(({ farms }) =>
        farms.flatMap(({ members }) => members.map(({ node }) => node)),
      );
    expect([now.revision, ...nodes(now)]).toEqual([2, 'web7-01', 'web7-02', 'web7-04']);
    expect([before.revision, ...nodes(before)]).toEqual([1, 'web7-01', 'web7-02', 'web7-03']);
    const none = await get('/api/fleet/inventory?revision=9');
    expect([none.status, none.body.code]).toEqual([404, 'unknown-inventory']);
  });

  it('gets no new revision when it says the same', async () => {
    const text = sampleInventory('members = ["web7-04", "web7-[01-02]"]');
    const again = importedInventorySchema.parse((await put(toml(text))).body);

    expect([again.isNew, again.revision.revision]).toEqual([false, 2]);
  });

  it('is told in the journal', async () => {
    const events = await farm.installation.journal.find({ limit: 9, kind: 'inventory-imported' });

    expect(events.map(({ actor, subject, data }) => [actor, subject, data['revision']])).toEqual([
      ['token:ops', 'fleet:inventory', 2],
      ['token:ops', 'fleet:inventory', 1],
    ]);
    expect(events[0]?.data).toMatchObject({ reason: 'web7-03 burned', files: ['fleet.toml'] });
  });

  it('is refused with every fault when it is not whole', async () => {
    const text = sampleInventory('members = "web7-[01-02]"\nweb-server = "ngnix"\nracks = "A"');
    const response = await put(toml(text));

    expect([response.status, response.body.code]).toEqual([422, 'inventory-refused']);
    expect(response.body.details.faults).toEqual([
      'fleet.toml: site.berlin.farm.web7.web-server = "ngnix": it has to be "nginx" or "apache" or "apache-mod-php". Did you mean "nginx"?',
      'fleet.toml: site.berlin.farm.web7.racks = "A": there is no such key. Did you mean "rack"?',
    ]);
  });

  it('is refused for a hardware profile that there is not', async () => {
    const text = sampleInventory().replace('profile = "web"', 'profile = "wbe"');
    const { body } = await put(toml(text));

    expect(body.details.faults).toEqual([
      'fleet.toml: site.berlin.farm.web7.profile = "wbe": it is no hardware profile of this farm. Did you mean "web"?',
    ]);
  });

  it('needs a reason', async () => {
    const { status, body } = await put(toml(sampleInventory('members = "x1"'), { reason: ' ' }));
    expect([status, body.code]).toEqual([400, 'reason-required']);
  });
});
