/** The tables of inventories and of what nodes say of their systems; see `tables.ts`. */

/** What production was said to consist of, from then on. Revisions count up from 1 and never change. */
export interface InventoryRevisionRow {
  readonly revision: number;
  /** SHA-256 of the inventory's canonical JSON. */
  readonly digest: string;
  readonly inventory_json: string;
  readonly created_at: number;
  readonly author: string;
  readonly reason: string;
  /** The format and the names of the files. */
  readonly source_json: string;
}

/** The services that nodes run, with the files that these have mapped. */
export interface NodeServicesRow {
  /** SHA-256 of `services_json`. */
  readonly digest: string;
  readonly services_json: string;
}
