/** Variables of a host or group, as their format says them. */
export type Variables = Readonly<Record<string, unknown>>;

/** What inventory files of Ansible hold together, whatever format they have. */
export class AnsibleHosts {
  readonly #hosts = new Map<string, Record<string, unknown>>();
  readonly #groups = new Map<
    string,
    { readonly hosts: Set<string>; readonly children: Set<string>; vars: Record<string, unknown> }
  >();

  addHost(host: string, group: string, vars: Variables = {}): void {
    this.#hosts.set(host, { ...this.#hosts.get(host), ...vars });
    this.#group(group).hosts.add(host);
  }

  addChild(group: string, child: string): void {
    this.#group(group).children.add(child);
    this.#group(child);
  }

  addVars(group: string, vars: Variables): void {
    const known = this.#group(group);
    known.vars = { ...known.vars, ...vars };
  }

  get names(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  /**
   * The variables of a host: those of `all`, of its groups from the outermost in, groups of one depth by their
   * `ansible_group_priority` and name, its own last. Source: Ansible's documentation, "How variables are merged".
   */
  varsOf(host: string): Variables {
    const depths = new Map<string, number>();
    for (const [name, { hosts }] of this.#groups) {
      if (hosts.has(host)) {
        this.#climb(name, depths, new Set());
      }
    }
    const groups = [...depths.keys()].filter((name) => name !== 'all');
    const ordered = groups.toSorted(
      (a, b) =>
        this.#depth(a) - this.#depth(b) ||
        this.#priority(a) - this.#priority(b) ||
        Number(a > b) - Number(a < b),
    );
    const layers = ['all', ...ordered].map((name) => this.#groups.get(name)?.vars ?? {});
    return Object.assign({}, ...layers, this.#hosts.get(host));
  }

  #climb(group: string, seen: Map<string, number>, way: Set<string>): void {
    if (way.has(group)) {
      return;
    }
    seen.set(group, 0);
    for (const [name, { children }] of this.#groups) {
      if (children.has(group)) {
        this.#climb(name, seen, new Set([...way, group]));
      }
    }
  }

  /** The longest way down from a group that no other has as a child. */
  #depth(group: string, way: readonly string[] = []): number {
    const parents = [...this.#groups]
      .filter(
        ([name, { children }]) => children.has(group) && name !== 'all' && !way.includes(name),
      )
      .map(([name]) => name);
    return parents.length === 0
      ? 1
      : 1 + Math.max(...parents.map((name) => this.#depth(name, [...way, group])));
  }

  #priority(group: string): number {
    return Number(this.#groups.get(group)?.vars['ansible_group_priority'] ?? 1);
  }

  #group(name: string) {
    const known = this.#groups.get(name) ?? { hosts: new Set(), children: new Set(), vars: {} };
    this.#groups.set(name, known);
    return known;
  }
}
