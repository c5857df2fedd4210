import type { PublicationRecord } from './publication.ts';

type Shown = Pick<PublicationRecord, 'serial' | 'snapshotId' | 'kind'>;

/** A history as steps in what people meant to show. Publications are named by their serials. */
export interface Steps<P extends Shown> {
  /** The first publication of each step that counts now. */
  readonly steps: readonly P[];
  /** Publication -> the first one of the step that it made, repeated, or went back to. */
  readonly stepOf: ReadonlyMap<number, number>;
  /** First publication of a step -> the rollback that went away from it for good. */
  readonly leftBy: ReadonlyMap<number, number>;
}

/** Reads all publications of a channel, oldest first. */
export function readSteps<P extends Shown>(history: readonly P[]): Steps<P> {
  const steps: P[] = [];
  const stepOf = new Map<number, number>();
  const leftBy = new Map<number, number>();
  /** Where in the steps a snapshot is, ascending: to look for it in 100,000 steps each time would take too long. */
  const places = new Map<string, number[]>();
  for (const publication of history) {
    const { kind, snapshotId, serial } = publication;
    const same = places.get(snapshotId)?.at(-1);
    if (kind === 'rollback' && same !== undefined) {
      for (const left of steps.splice(same + 1)) {
        leftBy.set(left.serial, serial);
        places.get(left.snapshotId)?.pop();
      }
    } else if (steps.at(-1)?.snapshotId !== snapshotId) {
      const own = places.get(snapshotId) ?? [];
      own.push(steps.length);
      places.set(snapshotId, own);
      steps.push(publication);
    }
    stepOf.set(serial, steps.at(-1)?.serial ?? serial);
  }
  return { steps, stepOf, leftBy };
}

/**
 * The publication that a channel goes back to from what it shows now, given all of its publications, oldest first:
 * one step back in what people meant to show. What a rollback went away from is no longer part of that, so going back
 * again never shows it again; a rollback to something else, by its number, is a step forward like any other.
 */
export function publicationBefore(history: readonly Shown[]): Shown | undefined {
  return readSteps(history).steps.at(-2);
}
