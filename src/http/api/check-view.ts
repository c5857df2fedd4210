import type { CheckView } from '../../protocol/repository.ts';
import type { CheckState } from '../../repository/check/repository-check.ts';

export const DAY_MS = 86_400_000;

export function checkView(state: CheckState): CheckView {
  const { options, progress, report } = state;
  return {
    state: state.state,
    deep: options.deep,
    all: options.all,
    maxAgeDays: options.maxAgeMs / DAY_MS,
    actor: state.actor,
    startedAt: state.startedAt,
    finishedAt: state.finishedAt,
    progress: progress === null ? null : { ...progress, remainingMs: state.remainingMs },
    findings: state.findings,
    report:
      report === null
        ? null
        : { ...report, counts: { ...report.counts }, findings: [...report.findings] },
    error: state.error,
  };
}
