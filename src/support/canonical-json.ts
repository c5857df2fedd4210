/** JSON that is the same for the same value: keys sorted, no spaces, members that are undefined left out. */
export function canonicalJson(value: unknown): string {
  return canonicalWriter()(value);
}

/** `canonicalJson` for many values: objects with the same keys have them sorted once. */
export function canonicalWriter(): (value: unknown) => string {
  const orders = new Map<string, readonly (readonly [key: string, text: string])[]>();
  const orderOf = (keys: readonly string[]): readonly (readonly [string, string])[] => {
    const shape = keys.join('\0');
    const known = orders.get(shape);
    if (known !== undefined) {
      return known;
    }
    const order = keys.toSorted().map((key) => [key, `${JSON.stringify(key)}:`] as const);
    orders.set(shape, order);
    return order;
  };
  const write = (value: unknown): string => {
    if (typeof value !== 'object' || value === null) {
      return JSON.stringify(value);
    }
    let text = '';
    if (Array.isArray(value)) {
      for (const item of value) {
        text += text === '' ? write(item) : `,${write(item)}`;
      }
      return `[${text}]`;
    }
    const fields = new Map<string, unknown>(Object.entries(value));
    for (const [key, before] of orderOf([...fields.keys()])) {
      const item = fields.get(key);
      if (item !== undefined) {
        text += `${text === '' ? '' : ','}${before}${write(item)}`;
      }
    }
    return `{${text}}`;
  };
  return write;
}
