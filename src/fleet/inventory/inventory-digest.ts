import { canonicalJson } from '../../support/canonical-json.ts';
import { digestOf } from '../../support/digests.ts';
import type { Inventory } from './inventory.ts';

/** SHA-256 of the inventory's canonical JSON, lowercase hex: what a plan says that it was made of. */
export function inventoryDigest(inventory: Inventory): string {
  return digestOf('sha256', canonicalJson(inventory));
}
