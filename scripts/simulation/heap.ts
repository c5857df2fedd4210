/** A binary heap: the smallest first. */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #compare: (one: T, other: T) => number;

  constructor(compare: (one: T, other: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let place = items.length;
    items.push(item);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = items[parent];
      if (above === undefined || this.#compare(above, item) <= 0) {
        break;
      }
      items[place] = above;
      place = parent;
    }
    items[place] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last !== undefined && items.length > 0) {
      this.#sink(last);
    }
    return first;
  }

  #sink(item: T): void {
    const items = this.#items;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const [one, two] = [items[left], items[left + 1]];
      const isSecond = one !== undefined && two !== undefined && this.#compare(two, one) < 0;
      const child = isSecond ? two : one;
      if (child === undefined || this.#compare(item, child) <= 0) {
        break;
      }
      items[place] = child;
      place = isSecond ? left + 1 : left;
    }
    items[place] = item;
  }
}
