import { join } from 'node:path';
import { ensureInside } from '../support/files.ts';

/** Where PHP trees are kept. Nothing else in the room joins a path below these folders by hand. */
export interface PhpLayout {
  /** Every profile's trees; what nodes read. */
  readonly root: string;
  profile(profile: string): string;
  tree(profile: string, id: string): string;
  /** What must outlive the served folder, one file for each profile; see `ledger.ts`. */
  readonly ledgers: string;
  ledger(profile: string): string;
}

/** What is being received, or is on its way out: never served, gone after a start. */
export const INCOMING = '.incoming-';
export const LEAVING = '.leaving-';

export function phpLayout(folders: {
  readonly state: string;
  readonly mirrorRoot: string;
}): PhpLayout {
  const root = join(folders.mirrorRoot, 'php');
  const ledgers = join(folders.state, 'php');
  const profile = (name: string): string => ensureInside(root, name);
  return {
    root,
    profile,
    tree: (name, id) => ensureInside(profile(name), id),
    ledgers,
    ledger: (name) => ensureInside(ledgers, `${name}.json`),
  };
}
