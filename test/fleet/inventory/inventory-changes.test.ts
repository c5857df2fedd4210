import { expect, it } from '@jest/globals';
import { changesBetween } from '../../../src/fleet/inventory/inventory-changes.ts';
import { readInventory } from '../../../src/fleet/inventory/read-inventory.ts';
import { sampleInventory } from '../sample-inventory.ts';

const NOTHING = { added: [], removed: [], changed: [] };

function read(text: string) {
  const { inventory, faults } = readInventory('toml', [{ name: 'f', text }], ['web', 'db']);
  expect(faults).toEqual([]);
  return inventory;
}

it('are told of what is different itself, and not of what is around it', () => {
  const before = read(sampleInventory());
  const changes = (text: string) => changesBetween(before, read(text));

  expect(changes(sampleInventory())).toEqual({ nodes: NOTHING, farms: NOTHING, sites: NOTHING });
  expect(changes(`${sampleInventory()}rack = "B"\n`)).toEqual({
    nodes: { ...NOTHING, changed: ['web7-01', 'web7-02', 'web7-03'] },
    farms: NOTHING,
    sites: NOTHING,
  });
  expect(changes(`${sampleInventory()}memcached = ["10.1.7.250"]\n`)).toEqual({
    nodes: NOTHING,
    farms: { ...NOTHING, changed: ['web7'] },
    sites: NOTHING,
  });
  expect(changes(sampleInventory().replace('"5s"', '"6s"'))).toEqual({
    nodes: NOTHING,
    farms: NOTHING,
    sites: { ...NOTHING, changed: ['berlin'] },
  });
});

it('are everything where there was nothing', () => {
  expect(changesBetween(undefined, read(sampleInventory()))).toEqual({
    nodes: { ...NOTHING, added: ['web7-01', 'web7-02', 'web7-03'] },
    farms: { ...NOTHING, added: ['web7'] },
    sites: { ...NOTHING, added: ['berlin'] },
  });
});
