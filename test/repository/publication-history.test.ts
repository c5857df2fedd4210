import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { PublicationKind } from '../../src/repository/publication.ts';
import { publicationBefore } from '../../src/repository/publication-history.ts';

interface Shown {
  serial: number;
  snapshotId: string;
  kind: PublicationKind;
}

/** `A` is a publication of A, `<A` a rollback to A, `<` one without a number, which is left out when it is refused. */
function historyOf(...deeds: readonly string[]): Shown[] {
  const history: Shown[] = [];
  for (const deed of deeds) {
    const snapshotId =
      deed === '<' ? publicationBefore(history)?.snapshotId : deed.replace('<', '');
    if (snapshotId !== undefined) {
      const kind = deed.startsWith('<') ? 'rollback' : 'publish';
      history.push({ serial: history.length + 1, snapshotId, kind });
    }
  }
  return history;
}

describe('publicationBefore', () => {
  it.each<[string, number | undefined]>([
    ['', undefined],
    ['A', undefined],
    ['A B', 1],
    ['A B <', undefined],
    ['A B < A', undefined],
    ['A B < C', 1],
    ['A B < C <', undefined],
    ['A B C < <', undefined],
    ['A B C <', 1],
    ['A B B B', 1],
    ['A B A C <', 2],
    ['A B A C < <', 1],
    ['A B < <B', 1],
    ['A B C <A', undefined],
  ])('after %p goes to %p', (deeds, serial) => {
    const history = historyOf(...deeds.split(' ').filter(Boolean));

    expect(publicationBefore(history)?.serial).toBe(serial);
  });

  it('shows something else each time, always of a lower serial, and comes to an end', () => {
    const deed = fc.constantFrom('A', 'B', 'C', 'D', '<', '<A', '<B');
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 20 }), (deeds) => {
        const history = historyOf(...deeds);
        const most = history.length;
        let from = Number.POSITIVE_INFINITY;
        for (let steps = 0; steps <= most; steps += 1) {
          const before = publicationBefore(history);
          if (before === undefined) {
            return true;
          }
          expect(before.snapshotId).not.toBe(history.at(-1)?.snapshotId);
          expect(before.serial).toBeLessThan(from);
          from = before.serial;
          history.push({ ...before, serial: history.length + 1, kind: 'rollback' });
        }
        return false;
      }),
    );
  });

  it('never goes back to what a rollback went away from, unless it was shown on purpose again', () => {
    const good = fc.array(fc.constantFrom('A', 'C'), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(good, good, fc.nat({ max: 5 }), (before, after, times) => {
        const deeds = [
          ...before,
          'BAD',
          '<',
          ...after,
          ...Array.from({ length: times }, () => '<'),
        ];
        const shown = historyOf(...deeds).slice(before.length + 1);
        return shown.every(({ snapshotId }) => snapshotId !== 'BAD');
      }),
    );
  });
});
