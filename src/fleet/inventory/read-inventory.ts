import { readAnsibleInventory } from './ansible/read-ansible.ts';
import type { Inventory } from './inventory.ts';
import type { InventoryFormat } from './inventory-store.ts';
import { type InventoryFile, readTomlInventory } from './read-toml.ts';
import { resolveInventory } from './resolve-inventory.ts';

/**
 * The inventory that files hold together, or what is wrong with them, a sentence each. `profiles`: the names of hardware
 * profiles that members may have.
 */
export function readInventory(
  format: InventoryFormat,
  files: readonly InventoryFile[],
  profiles: readonly string[],
): {
  readonly inventory: Inventory;
  readonly faults: readonly string[];
  readonly remarks: readonly string[];
} {
  const { parts, faults, remarks } =
    format === 'ansible'
      ? readAnsibleInventory(files)
      : { ...readTomlInventory(files), remarks: [] };
  const { inventory, faults: found } = resolveInventory(parts, profiles);
  return { inventory, faults: faults.length > 0 ? faults : found, remarks };
}
