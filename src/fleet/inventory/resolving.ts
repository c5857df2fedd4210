import { FLEET_NAME, FLEET_NAME_RULE } from './inventory-document.ts';
import type { InventoryFaults } from './inventory-faults.ts';

/** What the parts of one inventory are checked against, and where their names were first. */
export interface Resolving {
  readonly faults: InventoryFaults;
  /** Names of hardware profiles that there are; undefined: whatever they are called. */
  readonly profiles: readonly string[] | undefined;
  /** `node web7-01` -> where it is; `address 10.1.7.1:22` -> the node that has it. */
  readonly named: Map<string, string>;
}

/** Says so when the name is not one, or another of this kind has it. */
export function takeName(
  { faults, named }: Resolving,
  kind: 'site' | 'farm' | 'node' | 'balancer',
  name: string,
  path: string,
): void {
  if (!FLEET_NAME.test(name)) {
    faults.value(path, name, `is not the name of a ${kind}: it ${FLEET_NAME_RULE}`);
  }
  const key = `${kind} ${name}`;
  const other = named.get(key);
  if (other !== undefined) {
    faults.value(path, name, `is the name of a ${kind} already, at ${other}`);
  }
  named.set(key, faults.at(path));
}
