/** Something about a node, and when it was so, epoch milliseconds. Undefined: nobody knows. */
export interface Seen<T> {
  readonly value: T | undefined;
  readonly at: number;
}

/** What is known of a node that no balancer can say. */
export interface NodeSighting {
  /** Null: it serves none. */
  readonly release: Seen<string | null>;
  /** The active PHP tree; null: none. */
  readonly tree: Seen<string | null>;
  /** Sonames that its PHP trees need and that were taken away from it. */
  readonly lacks: Seen<readonly string[]>;
  readonly isWebRunning: Seen<boolean>;
}

export const NOTHING: NodeSighting = {
  release: { value: undefined, at: 0 },
  tree: { value: undefined, at: 0 },
  lacks: { value: undefined, at: 0 },
  isWebRunning: { value: undefined, at: 0 },
};

/**
 * The newest that nodes have said, or that steps on them have come to, whichever was later. What is known of a node is the same
 * object until something else is known.
 */
export class NodeSightings {
  readonly #nodes = new Map<string, NodeSighting>();

  of(node: string): NodeSighting {
    return this.#nodes.get(node) ?? NOTHING;
  }

  note<Key extends keyof NodeSighting>(node: string, key: Key, seen: NodeSighting[Key]): void {
    const known = this.of(node);
    const isSame = JSON.stringify(known[key]) === JSON.stringify(seen);
    if (seen.at >= known[key].at && !isSame) {
      this.#nodes.set(node, { ...known, [key]: seen });
    }
  }
}
