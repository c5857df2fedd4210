import type { AttemptRecord } from '../../builds/history.ts';
import type { AttemptView } from '../../protocol/build-records.ts';

export function attemptView(record: AttemptRecord): AttemptView {
  const { failure, attempt } = record;
  return {
    ...record,
    failure:
      failure === null
        ? null
        : { attempt, phase: failure.phase, text: failure.text, line: failure.line },
  };
}
