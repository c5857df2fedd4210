import type { z } from 'zod';
import { CONFIG_KEYS } from './config-document.ts';

/** Which keys of a configuration say what they are meant to say, whatever is wrong with others. */
export interface CertainKeys {
  /** The document without what is wrong: every key in it is right. */
  readonly document: Readonly<Record<string, unknown>>;
  /** Whether a value, or the default of a key that is left out, can be relied upon. */
  readonly has: (section: string, key: string) => boolean;
}

/** Beside an unknown key, a known one that is absent may be what was meant; so its default is not relied upon. */
export function certainKeys(
  document: Readonly<Record<string, unknown>>,
  error: z.ZodError | undefined,
): CertainKeys {
  const doubtful = new Set<string>();
  for (const issue of error?.issues ?? []) {
    const [section = '', key] = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      const present = section === '' ? document : tableOf(document[section]);
      const absent = (CONFIG_KEYS[section] ?? []).filter((name) => !Object.hasOwn(present, name));
      absent.forEach((name) => doubtful.add(section === '' ? name : `${section}.${name}`));
    } else {
      doubtful.add(key === undefined ? section : `${section}.${key}`);
    }
  }
  const has = (section: string, key: string): boolean =>
    !doubtful.has(section) && !doubtful.has(`${section}.${key}`);
  const sections = (CONFIG_KEYS[''] ?? []).map((section) => {
    const table = Object.entries(tableOf(document[section]));
    const known = table.filter(
      ([key]) => CONFIG_KEYS[section]?.includes(key) === true && has(section, key),
    );
    return [section, Object.fromEntries(known)] as const;
  });
  return { document: Object.fromEntries(sections), has };
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}
