import { createServer } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { GateQuestion } from '../../src/fleet/drivers/ports.ts';
import { type AlertSource, judgeAlerts } from '../../src/fleet/gates/alerts.ts';
import {
  DEFAULT_RULES,
  judgeErrors,
  judgeLatency,
  type MemberSample,
} from '../../src/fleet/gates/compare.ts';
import { TrafficSamples } from '../../src/fleet/gates/traffic-samples.ts';
import { testSite } from './contracts/test-site.ts';

const sample = fc.record({
  node: fc.constantFrom('a', 'b', 'c'),
  requests: fc.nat(10_000),
  errors: fc.nat(10_000),
  milliseconds: fc.option(fc.double({ min: 0, max: 60_000, noNaN: true })),
});
const samples = fc
  .array(sample, { maxLength: 8 })
  .map((all) =>
    all.map((one): MemberSample => ({ ...one, errors: Math.min(one.errors, one.requests) })),
  );
const JUDGES = [judgeErrors, judgeLatency];

function member(requests: number, errors: number, milliseconds = 20): MemberSample {
  return { node: 'web7-3', requests, errors, milliseconds };
}

describe('a member is compared with its peers', () => {
  it('and passes when it is as they are, whatever they are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 1000 }), fc.nat(1000), (requests, some) => {
        const one = member(requests, Math.min(some, requests));
        for (const judge of JUDGES) {
          expect(judge([one], [one, one], DEFAULT_RULES).verdict).toBe('pass');
        }
      }),
    );
  });

  it('and nobody passes or fails with too few requests', () => {
    fc.assert(
      fc.property(samples, samples, (judged, peers) => {
        const few = peers.reduce((sum, { requests }) => sum + requests, 0) < 50;
        const allFew = judged.every(({ requests }) => requests < 50);
        for (const judge of JUDGES) {
          const { verdict, sentence } = judge(judged, peers, DEFAULT_RULES);
          expect(sentence).toMatch(/\.$/);
          if (few || allFew) {
            expect(verdict).toBe('inconclusive');
          }
        }
      }),
    );
  });

  it('and more errors never turn a failure into a pass', () => {
    fc.assert(
      fc.property(samples, samples, fc.nat(1000), (judged, peers, more) => {
        const before = judgeErrors(judged, peers, DEFAULT_RULES).verdict;
        const worse = judged.map((one) => ({
          ...one,
          errors: Math.min(one.requests, one.errors + more),
        }));
        const after = judgeErrors(worse, peers, DEFAULT_RULES).verdict;
        expect([before, after]).not.toEqual(['fail', 'pass']);
        expect([before, after]).not.toEqual(['fail', 'inconclusive']);
      }),
    );
  });

  it('and fails with the numbers in words', () => {
    expect(judgeErrors([member(100, 9)], [member(900, 9)], DEFAULT_RULES)).toEqual({
      verdict: 'fail',
      sentence: 'web7-3 answers 9.0 % of its requests with errors, its peers 1.0 %.',
    });
    expect(judgeLatency([member(100, 0, 200)], [member(900, 0, 40)], DEFAULT_RULES)).toEqual({
      verdict: 'fail',
      sentence: 'web7-3 takes 200 ms to answer, its peers 40 ms.',
    });
    expect(judgeLatency([member(99, 0, 40)], [member(900, 0, 1)], DEFAULT_RULES).verdict).toBe(
      'pass',
    );
  });
});

const HAPROXY = {
  name: 'lb1',
  driver: 'haproxy',
  socket: 'tcp://127.0.0.1:1',
  memberBackend: 'm',
  farmBackends: ['b', 'g'],
} as const;

describe('traffic is sampled', () => {
  const [farm] = testSite([]).farms;

  async function sampled(incarnations: readonly string[]) {
    let read = 0;
    const counters = async () => {
      const at = read;
      read += 1;
      const numbers = new Map([
        ['req_tot', 100 + 60 * at],
        ['hrsp_5xx', 3 * at],
        ['rtime', 25],
      ]);
      return { incarnation: incarnations[at] ?? '', members: new Map([['f1-1', numbers]]) };
    };
    const time = { now: () => 0, sleep: async () => {} };
    if (farm === undefined) {
      throw new Error('a site without farms');
    }
    return await new TrafficSamples({ counters }, time, 10).of(testSite([HAPROXY]), farm);
  }

  it('as what was counted meanwhile', async () => {
    expect(await sampled(['1', '1'])).toEqual([
      { node: 'f1-1', requests: 60, errors: 3, milliseconds: 25 },
      { node: 'f1-2', requests: 0, errors: 0, milliseconds: null },
    ]);
  });

  it('and nobody knows after a restart', async () => {
    expect(await sampled(['1', '2'])).toBe('The balancer lb1 was started anew meanwhile.');
  });
});

function command(text: string): AlertSource {
  return { kind: 'command', command: ['sh', '-c', text, 'sh'], timeoutMs: 5000 };
}

describe('alerts are asked for', () => {
  const question: GateQuestion = { rollout: 'r', site: testSite([]), nodes: ['f1-1'], since: 0 };

  it.each([
    ['echo "fine at $1 $2"', 'pass', 'fine at eu f1-1'],
    ['echo "disk full"; exit 1', 'fail', 'disk full'],
    ['exit 2', 'inconclusive', expect.stringContaining('ended with 2')],
  ])('with the program %s', async (text, verdict, sentence) => {
    expect(await judgeAlerts(command(text), question)).toEqual({ verdict, sentence });
  });

  it('with an address', async () => {
    const answers = ['{"verdict":"go"}', '{"verdict":"no-go","reason":"paged"}', 'what'];
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end(answers.shift());
    });
    await new Promise<void>((done) => {
      server.listen(0, '127.0.0.1', done);
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const source: AlertSource = {
      kind: 'url',
      url: `http://127.0.0.1:${port}/alerts?key=1`,
      timeoutMs: 5000,
    };
    const verdicts: string[] = [];
    while (answers.length > 0) {
      verdicts.push((await judgeAlerts(source, question)).verdict);
    }
    server.closeAllConnections();
    await new Promise((done) => {
      server.close(done);
    });
    expect(verdicts).toEqual(['pass', 'fail', 'inconclusive']);
    expect(asked[0]).toBe('/alerts?key=1&site=eu&nodes=f1-1');
    expect((await judgeAlerts(source, question)).verdict).toBe('inconclusive');
    expect((await judgeAlerts(null, question)).verdict).toBe('inconclusive');
  });
});
