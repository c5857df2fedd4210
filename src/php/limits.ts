const MEBI = 1024 * 1024;

/** What a PHP tree may cost before it is refused. */
export interface TreeLimits {
  readonly entries: number;
  /** Of all files together. */
  readonly bytes: number;
  readonly factsBytes: number;
}

export const TREE_LIMITS: TreeLimits = { entries: 20_000, bytes: 2048 * MEBI, factsBytes: MEBI };
