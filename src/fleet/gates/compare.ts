import type { GateVerdict } from '../drivers/ports.ts';

/** What one member did between two looks. */
export interface MemberSample {
  readonly node: string;
  readonly requests: number;
  /** Answers of 5xx, refused and broken connections. */
  readonly errors: number;
  /** Mean time of an answer, ms; null: not known. */
  readonly milliseconds: number | null;
}

export interface CompareRules {
  /** Fewer requests than these say nothing, of a member and of its peers together. */
  readonly minimumRequests: number;
  /** By how much more the share of errors may be than that of the peers, 0 to 1. */
  readonly errorMargin: number;
  /** How many times as long as that of the peers an answer may take; differences below `latencyFloorMs` do not count. */
  readonly latencyFactor: number;
  readonly latencyFloorMs: number;
}

export const DEFAULT_RULES: CompareRules = {
  minimumRequests: 50,
  errorMargin: 0.01,
  latencyFactor: 2,
  latencyFloorMs: 50,
};

type Comparison = (
  one: MemberSample,
  peers: MemberSample,
  rules: CompareRules,
) => string | undefined;

/**
 * Whether a member has more errors than the members of its farm that were not changed. Errors that all of them have are not
 * its own: they neither fail it nor stop it.
 *
 * @param judged - members that were changed
 * @param peers - the others of their farm
 */
export function judgeErrors(
  judged: readonly MemberSample[],
  peers: readonly MemberSample[],
  rules: CompareRules,
): GateVerdict {
  return judgeEach(judged, peers, rules, {
    isBad: (one, others) => {
      const [share, usual] = [one.errors / one.requests, others.errors / others.requests];
      return share > usual + rules.errorMargin
        ? `${one.node} answers ${percent(share)} of its requests with errors, its peers ${percent(usual)}.`
        : undefined;
    },
    good: 'has no more errors than its peers',
  });
}

/** Whether a member takes longer than its peers. */
export function judgeLatency(
  judged: readonly MemberSample[],
  peers: readonly MemberSample[],
  rules: CompareRules,
): GateVerdict {
  const [timed, others] = [judged, peers].map((samples) =>
    samples.filter(({ milliseconds }) => milliseconds !== null),
  );
  const unknown = judged.find(({ milliseconds }) => milliseconds === null);
  if (unknown !== undefined) {
    return inconclusive(`Nobody knows how long ${unknown.node} takes to answer.`);
  }
  return judgeEach(timed ?? [], others ?? [], rules, {
    isBad: (one, all) => {
      const [mine, usual] = [one.milliseconds ?? 0, all.milliseconds ?? 0];
      return mine > usual * rules.latencyFactor && mine - usual > rules.latencyFloorMs
        ? `${one.node} takes ${Math.round(mine)} ms to answer, its peers ${Math.round(usual)} ms.`
        : undefined;
    },
    good: 'answers as fast as its peers',
  });
}

function judgeEach(
  judged: readonly MemberSample[],
  peers: readonly MemberSample[],
  rules: CompareRules,
  { isBad, good }: { readonly isBad: Comparison; readonly good: string },
): GateVerdict {
  if (judged.length === 0) {
    return inconclusive('There is no member to judge.');
  }
  const all = together(peers);
  if (all.requests < Math.max(1, rules.minimumRequests)) {
    return inconclusive(
      `The peers had ${all.requests} requests; ${rules.minimumRequests} are needed.`,
    );
  }
  const enough = judged.filter(({ requests }) => requests >= Math.max(1, rules.minimumRequests));
  const fault = enough.map((one) => isBad(one, all, rules)).find((found) => found !== undefined);
  if (fault !== undefined) {
    return { verdict: 'fail', sentence: fault };
  }
  const few = judged.find((one) => !enough.includes(one));
  return few === undefined
    ? { verdict: 'pass', sentence: `${judged.map(({ node }) => node).join(', ')} ${good}.` }
    : inconclusive(
        `${few.node} had ${few.requests} requests; ${rules.minimumRequests} are needed.`,
      );
}

/** All of them as one; times weigh as much as the requests that took them. */
function together(samples: readonly MemberSample[]): MemberSample {
  let [requests, errors, time] = [0, 0, 0];
  for (const one of samples) {
    requests += one.requests;
    errors += one.errors;
    time += (one.milliseconds ?? 0) * one.requests;
  }
  const isTimed = requests > 0 && samples.every(({ milliseconds }) => milliseconds !== null);
  return { node: 'peers', requests, errors, milliseconds: isTimed ? time / requests : null };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

export function inconclusive(sentence: string): GateVerdict {
  return { verdict: 'inconclusive', sentence };
}

/** The worst of them: one that fails counts more than one that nobody can tell. */
export function worstOf(verdicts: readonly GateVerdict[], good: string): GateVerdict {
  return (
    verdicts.find(({ verdict }) => verdict === 'fail') ??
    verdicts.find(({ verdict }) => verdict === 'inconclusive') ?? {
      verdict: 'pass',
      sentence: good,
    }
  );
}
