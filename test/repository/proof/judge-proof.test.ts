import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '../../../src/gentoo/promotion-policy.ts';
import { type Judgement, judgeProof } from '../../../src/repository/proof/judge-proof.ts';
import type { NodeProof, NodeRecord } from '../../../src/repository/proof/node-report.ts';

const NOW = Date.UTC(2026, 10, 25, 12);
const HOUR = 3_600_000;

function proof(node: string, hoursAgo: number | null, checks: Record<string, number> = {}) {
  const made: NodeProof = {
    node,
    passedSince: hoursAgo === null ? null : NOW - hoursAgo * HOUR,
    lastReportedAt: NOW - HOUR,
    checks: Object.entries(checks).map(([name, ago]) => ({ name, passedSince: NOW - ago * HOUR })),
  };
  return made;
}

function report(node: string, values: Partial<NodeRecord>): NodeRecord {
  return {
    node,
    profile: 'web',
    channel: 'testing',
    timestampSeconds: 1_760_000_000,
    serial: 12,
    reportedAt: NOW - HOUR,
    installedCount: 3,
    checks: [],
    differs: 0,
    differences: [],
    php: null,
    system: null,
    ...values,
  };
}

function judged(
  policy: Partial<typeof DEFAULT_POLICY>,
  proofs: readonly NodeProof[],
  reports: readonly NodeRecord[] = [],
): Judgement {
  const evidence = { channel: 'testing', serial: 12, proofs, reports };
  return judgeProof({ ...DEFAULT_POLICY, ...policy }, evidence, NOW);
}

describe('judgeProof', () => {
  it('takes one node that passed where nothing else is asked for', () => {
    expect(judged({}, [proof('pre1', 5)])).toMatchObject({
      isProven: true,
      missing: [],
      provenAt: NOW - 5 * HOUR,
    });
  });

  it('says what every node lacks', () => {
    const { isProven, missing, provenAt } = judged(
      { nodes: 3 },
      [proof('pre1', 5), proof('pre3', null), proof('pre4', null)],
      [
        report('pre1', {}),
        report('pre2', { serial: 11 }),
        report('pre3', {
          differs: 3,
          checks: [{ name: 'php', passed: false, output: '' }],
        }),
        report('pre4', {}),
        report('pre5', { serial: null }),
        report('pre6', { serial: null, timestampSeconds: null }),
      ],
    );
    expect([isProven, provenAt]).toEqual([false, null]);
    expect(missing).toEqual([
      'Publication 12 of testing needs 3 nodes that passed it, and has 1: pre1. pre2 reported publication 11. ' +
        'pre3 does not pass it: 3 packages differ, the check php failed. ' +
        'pre4 does not pass it: nothing of it is installed. ' +
        'pre5 reported an unknown TIMESTAMP 1760000000. pre6 reported no index yet.',
    ]);
  });

  it('asks for the named checks of each node, whatever else passed', () => {
    const policy = { nodes: 2, checks: ['http', 'php'] };
    const half = judged(policy, [proof('a', 9, { http: 9, php: 9 }), proof('b', 9, { http: 9 })]);
    expect(half.missing).toEqual([
      'Publication 12 of testing needs 2 nodes that passed it with the checks http, php, and has 1: a. ' +
        'b has not reported the check php as passed.',
    ]);
    expect(
      judged(policy, [proof('a', 9, { http: 9, php: 9 }), proof('b', 9, { http: 9, php: 2 })]),
    ).toMatchObject({ isProven: true, provenAt: NOW - 2 * HOUR });
  });

  it('lets it soak from when the last of the needed nodes passed', () => {
    const policy = { nodes: 2, soakMs: 4 * HOUR };
    const young = judged(policy, [proof('a', 100), proof('b', 3)]);
    expect(young).toMatchObject({ isProven: false, provenAt: NOW + HOUR });
    expect(young.missing).toEqual([
      'It has to soak 4h: 2 nodes passed it at 2026-11-25 09:00 UTC, so until 2026-11-25 13:00 UTC.',
    ]);
    expect(judged(policy, [proof('a', 100), proof('b', 4), proof('c', 1)]).isProven).toBe(true);
    expect(judged(policy, [proof('a', 3), proof('b', 2), proof('c', 1)]).provenAt).toBe(
      NOW + 2 * HOUR,
    );
  });

  it('counts from the time of a check that passed later than the node', () => {
    const policy = { checks: ['php'], soakMs: 4 * HOUR };
    expect(judged(policy, [proof('a', 100, { php: 1 })])).toMatchObject({
      isProven: false,
      provenAt: NOW + 3 * HOUR,
    });
  });

  it('leaves out nodes that have not reported for too long', () => {
    expect(judged({ withinMs: HOUR }, [proof('a', 100)]).isProven).toBe(true);
    const { missing } = judged({ withinMs: HOUR / 2 }, [proof('a', 100)]);
    expect(missing).toEqual([
      'Publication 12 of testing needs 1 node that passed it, and has none. ' +
        'a reported it at 2026-11-25 11:00 UTC, more than 30m ago.',
    ]);
  });

  it('needs nothing where the policy asks for no node', () => {
    expect(judged({ nodes: 0 }, []).isProven).toBe(true);
  });

  it('names ten of many nodes', () => {
    const reports = Array.from({ length: 25 }, (_, index) => report(`n${index}`, { serial: 3 }));
    const [sentence = ''] = judged({}, [], reports).missing;
    expect(sentence.match(/reported publication 3/g)).toHaveLength(10);
    expect(sentence).toMatch(/ 15 more do not count\.$/);
  });
});
