import type { PublicationRecord } from './publication.ts';

type Shown = Pick<PublicationRecord, 'serial' | 'snapshotId' | 'kind'>;

/**
 * The publication that a channel goes back to from what it shows now, given all of its publications, oldest first:
 * one step back in what people meant to show. What a rollback went away from is no longer part of that, so going back
 * again never shows it again; a rollback to something else, by its number, is a step forward like any other.
 */
export function publicationBefore(history: readonly Shown[]): Shown | undefined {
  const steps: Shown[] = [];
  for (const publication of history) {
    const { kind, snapshotId } = publication;
    const same = steps.findLastIndex((step) => step.snapshotId === snapshotId);
    if (kind === 'rollback' && same >= 0) {
      steps.length = same + 1;
    } else if (steps.at(-1)?.snapshotId !== snapshotId) {
      steps.push(publication);
    }
  }
  return steps.at(-2);
}
