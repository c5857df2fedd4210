import { describeFaults } from '../../gentoo/document-faults.ts';
import { parseToml } from '../../support/parse-toml.ts';
import { inventoryDocumentSchema, keysOf } from './inventory-document.ts';
import type { DocumentPlace } from './inventory-faults.ts';
import type { InventoryPart } from './resolve-inventory.ts';

/** A file as it was given. */
export interface InventoryFile {
  readonly name: string;
  readonly text: string;
}

/** What was read, and sentences for all that could not be. */
export interface ReadParts {
  readonly parts: readonly InventoryPart[];
  readonly faults: readonly string[];
}

/** Reads inventory files in TOML; see docs/fleet.md. Each stands for itself, with defaults of its own. */
export function readTomlInventory(files: readonly InventoryFile[]): ReadParts {
  const read = files.map(({ name, text }) => {
    const { value, faults } = parseToml(text, name);
    return value === undefined ? { parts: [], faults } : checkedPart(value, { file: name });
  });
  return {
    parts: read.flatMap(({ parts }) => parts),
    faults: read.flatMap(({ faults }) => faults),
  };
}

/** A value as a part of an inventory, or what is wrong with its form. */
export function checkedPart(value: unknown, place: DocumentPlace): ReadParts {
  const { data: document, error } = inventoryDocumentSchema.safeParse(value);
  return document === undefined
    ? { parts: [], faults: describeFaults(error, value, { ...place, keys: keysOf(value) }) }
    : { parts: [{ document, place }], faults: [] };
}
