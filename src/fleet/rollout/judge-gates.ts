import type { GateJudge, GateQuestion, GateVerdict } from '../drivers/ports.ts';
import type { GateName } from '../plan/policy.ts';

/** The worst of all: one that fails counts more than one that nobody can tell. */
export async function judgeAll(
  judges: ReadonlyMap<GateName, GateJudge>,
  gates: readonly GateName[],
  question: GateQuestion,
): Promise<GateVerdict> {
  const verdicts = await Promise.all(
    gates.map(async (gate): Promise<GateVerdict> => {
      const judge = judges.get(gate);
      return judge === undefined
        ? { verdict: 'inconclusive', sentence: `Nobody judges the gate ${gate} here.` }
        : await judge.judge(question);
    }),
  );
  return (
    verdicts.find(({ verdict }) => verdict === 'fail') ??
    verdicts.find(({ verdict }) => verdict === 'inconclusive') ?? {
      verdict: 'pass',
      sentence: 'All gates say yes.',
    }
  );
}
