import { describe, expect, it } from '@jest/globals';
import type { ImpactPackage } from '../../../src/fleet/impact/impact-package.ts';
import { changesBetween } from '../../../src/fleet/impact/package-changes.ts';
import { ownOf, pooled } from './made-impact.ts';

function changed(
  installed: readonly ImpactPackage[],
  published: readonly ImpactPackage[],
): string[] {
  return changesBetween(installed, published).changes.map(({ name, slot, from, to }) => {
    const [before, after] = [from, to].map((one) => one?.gate.cpv.split('/')[1] ?? '-');
    return `${name}:${slot} ${before} ${after}`;
  });
}

function build(number: number, buildTime: number): ImpactPackage {
  return { ...pooled('d/a-2', {}, number), buildTime };
}

function chosen(...published: readonly ImpactPackage[]): number | null | undefined {
  return changesBetween([pooled('d/a-1')], published).changes[0]?.to?.buildId;
}

describe('what a merge changes', () => {
  it('is what is installed, in its slot, up and down', () => {
    const installed = [
      pooled('d/up-1'),
      pooled('d/down-2'),
      pooled('d/same-1'),
      pooled('d/gone-1'),
      pooled('d/slots-1', { SLOT: '1/5' }),
      ownOf('d/own-1'),
    ];
    const published = [
      pooled('d/up-2'),
      pooled('d/up-1.5'),
      pooled('d/down-1'),
      pooled('d/same-1'),
      pooled('d/slots-1.1', { SLOT: '1/6' }),
      pooled('d/slots-2', { SLOT: '2' }),
      pooled('d/never-1'),
      pooled('d/own-1'),
    ];
    expect(changed(installed, published)).toEqual([
      'd/down:0 down-2 down-1',
      'd/own:0 own-1 own-1',
      'd/slots:1 slots-1 slots-1.1',
      'd/up:0 up-1 up-2',
    ]);
  });

  it('takes of several builds of a version the newest, and of those of one second the last', () => {
    expect(chosen(build(9, 100), build(3, 200), build(5, 150))).toBe(3);
    expect(chosen(build(4, 100), build(7, 100), build(5, 100))).toBe(7);
  });

  it('takes another build for another package, and one that was only signed again for the same', () => {
    const provenance = { profile: 'zen3', origin: 'resign:x', upload: '', formerBuildIds: [1] };
    const signed = pooled('d/a-1', { ROOKERY_PROVENANCE: JSON.stringify(provenance) }, 2);
    expect(changed([pooled('d/a-1')], [{ ...signed, buildTime: 1001 }])).toEqual([]);
    expect(changed([pooled('d/a-1')], [signed])).toEqual(['d/a:0 a-1 a-1']);
    expect(changed([pooled('d/a-1')], [pooled('d/a-1', {}, 2)])).toEqual(['d/a:0 a-1 a-1']);
  });

  it('brings what is needed, and what that needs, but nothing that something installed will do for', () => {
    const published = [
      pooled('d/a-2', { RDEPEND: 'd/new || ( d/no d/has d/other ) || ( d/no d/b )' }),
      pooled('d/new-1', { PDEPEND: 'd/newer' }),
      pooled('d/newer-1', { SLOT: '1' }),
      pooled('d/newer-2', { SLOT: '2' }),
      pooled('d/other-1'),
      pooled('d/b-1'),
    ];
    expect(changed([pooled('d/a-1'), ownOf('d/has-1')], published)).toEqual([
      'd/a:0 a-1 a-2',
      'd/b:0 - b-1',
      'd/new:0 - new-1',
      'd/newer:2 - newer-2',
    ]);
  });

  it('takes away what blocks what comes, or is blocked by it', () => {
    const installed = [
      pooled('d/a-1'),
      pooled('d/old-1'),
      pooled('d/old-2', { SLOT: '2' }),
      pooled('d/foe-1', { RDEPEND: '!>=d/a-2' }),
    ];
    const published = [pooled('d/a-2', { RDEPEND: '!<d/old-2' })];
    expect(changed(installed, published)).toEqual([
      'd/a:0 a-1 a-2',
      'd/foe:0 foe-1 -',
      'd/old:0 old-1 -',
    ]);
  });
});
