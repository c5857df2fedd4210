import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { channelViewSchema, publicationViewSchema } from '../../src/protocol/channels.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer } from './api-fixture.ts';
import { type ProofServer, startProofServer } from './proof-server.ts';

const ROUNDS = 30;
/** Each round signs a package and makes two publications; other work may have the machine. */
const TIMEOUT_MS = 300_000;
const EVIL = `"><script>alert(1)</script>`;
const folder = temporaryFolder();
const TOKENS = { ann: '', bob: '' };
let farm: ProofServer;

beforeAll(async () => {
  farm = await startProofServer(await mkdtemp(join(folder, 'farm-')));
  for (const name of ['ann', 'bob'] as const) {
    TOKENS[name] = await farm.tokens.create(name, 'admin', 'test');
  }
});

afterAll(async () => {
  await farm.close();
});

async function change(
  who: keyof typeof TOKENS,
  path: string,
  body: object,
): Promise<request.Response> {
  return await request(farm.url)
    .post(`/api/profiles/web/channels/${path}`)
    .set(bearer(TOKENS[who]))
    .send(body);
}

async function stable(): Promise<ReturnType<typeof channelViewSchema.parse>> {
  const { body } = await request(farm.url).get('/api/profiles/web/channels/stable');
  return channelViewSchema.parse(body);
}

describe('two administrators who promote at once', () => {
  it(
    'get one winner and one clear refusal, every time',
    async () => {
      for (let round = 1; round <= ROUNDS; round += 1) {
        await farm.add('app-misc/a-1', { content: `${round}` });
        await farm.publish();
        const expectedSerial = round % 2 === 0 ? { expectedSerial: round - 1 } : {};
        const body = { force: true, reason: `round ${round}`, ...expectedSerial };

        const [ann, bob] = await Promise.all([
          change('ann', 'stable/promote', body),
          change('bob', 'stable/promote', body),
        ]);

        const winner = ann.status === 201 ? ann : bob;
        const other = winner === ann ? bob : ann;
        const author = winner === ann ? 'token:ann' : 'token:bob';
        expect(publicationViewSchema.parse(winner.body)).toMatchObject({ serial: round, author });
        expect([other.status, other.body.code, other.body.title]).toEqual([
          409,
          round % 2 === 0 ? 'channel-moved' : 'nothing-to-promote',
          expect.stringContaining(`published by ${author}`),
        ]);
        expect((await stable()).current).toMatchObject({ serial: round, author });
      }
      const promoted = await farm.installation.journal.find({ kind: 'promoted', limit: 1000 });
      expect(promoted.map(({ data }) => data['serial'])).toEqual(
        Array.from({ length: ROUNDS }, (_, at) => ROUNDS - at),
      );
      expect((await stable()).refused).toBeNull();
    },
    TIMEOUT_MS,
  );
});

describe('a publication that is refused', () => {
  it('stands on the page of its channel and in the API, with what would mend it', async () => {
    await farm.add('dev-libs/lib-1', { slot: '0/1' });
    await farm.add('app-misc/needy-1', { metadata: { RDEPEND: 'dev-libs/lib:0/1=' } });
    expect((await change('ann', 'testing/publish', {})).status).toBe(201);
    await farm.add('dev-libs/lib-2', { slot: '0/2' });
    const refused = await change('bob', 'testing/publish', { reason: EVIL });
    expect([refused.status, refused.body.code]).toEqual([409, 'publication-refused']);

    const { body } = await request(farm.url).get('/api/profiles/web/channels/testing');

    const { refused: told } = channelViewSchema.parse(body);
    expect(told).toMatchObject({
      act: 'publish',
      code: 'publication-refused',
      actor: 'token:bob',
      reason: EVIL,
      rebuild: ['app-misc/needy:0'],
      findings: [expect.objectContaining({ kind: 'slot-operator-broken' })],
    });
    const { text } = await request(farm.url).get('/profiles/web/testing');
    expect(text).toContain('bob wanted to publish');
    expect(text).toContain('app-misc/needy-1 was built against dev-libs/lib:0/1=');
    expect(text).toContain('rookery build request web --rebuild-for testing --publish testing');
    expect(text).not.toContain('<script>alert');
    const [, href = ''] = /<a href="(\/journal[^"]*)">event/.exec(text) ?? [];
    const journal = (await request(farm.url).get(href.replaceAll('&amp;', '&'))).text;
    expect(journal).toContain(`<td class="number">${told?.seq}</td>`);
    expect(journal).toContain('publication refused');
    expect((await request(farm.url).get('/profiles/web')).text).toContain('>refused</a>');

    await farm.add('app-misc/needy-2', { metadata: { RDEPEND: 'dev-libs/lib:0/2=' } });
    expect((await change('ann', 'testing/publish', {})).status).toBe(201);

    const after = await request(farm.url).get('/profiles/web/testing');
    expect(after.text).not.toContain('wanted to publish');
  });

  it('straight on a later channel is one that nobody has proven, and can be forced', async () => {
    await farm.add('app-misc/b-1');
    const unproven = await change('ann', 'stable/publish', {});
    expect([unproven.status, unproven.body.code]).toEqual([409, 'promotion-not-proven']);
    expect((await request(farm.url).get('/profiles/web/stable')).text).toContain(
      'No channel before stable has ever shown these packages',
    );
    expect((await change('ann', 'stable/publish', { force: true })).body.code).toBe(
      'reason-required',
    );
    const forced = await change('ann', 'stable/publish', { force: true, reason: 'CVE' });
    expect(publicationViewSchema.parse(forced.body).forced?.missing).toHaveLength(1);
  });
});
