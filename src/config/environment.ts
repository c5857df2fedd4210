import { suggestion } from '../gentoo/nearest-word.ts';
import { CONFIG_KEYS, configDocumentSchema } from './config-document.ts';

export interface EnvironmentSettings {
  /** Section -> key -> value, as they would stand in the file. */
  readonly sections: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** `section.key` -> variable, for those that were set. */
  readonly variables: ReadonlyMap<string, string>;
  readonly faults: readonly string[];
}

/**
 * Settings in environment variables: `ROOKERY_HTTP_NEXT_FREE_PORT` is `next-free-port` of `[http]`. Other variables
 * that begin with `ROOKERY_` belong to other programs of the project, unless they name a section.
 */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): EnvironmentSettings {
  const known = knownVariables();
  const sections: Record<string, Record<string, unknown>> = {};
  const variables = new Map<string, string>();
  const faults: string[] = [];
  for (const [variable, value] of Object.entries(env)) {
    const place = known.get(variable);
    if (value === undefined || (place === undefined && !namesSection(variable))) {
      continue;
    }
    if (place === undefined) {
      faults.push(
        `${variable}: there is no such setting.${suggestion(variable, [...known.keys()])}`,
      );
      continue;
    }
    variables.set(`${place.section}.${place.key}`, variable);
    (sections[place.section] ??= {})[place.key] = convert(value, place.kind);
  }
  return { sections, variables, faults };
}

/** The environment variable of a key. */
export function variableOf(section: string, key: string): string {
  return `ROOKERY_${section}_${key}`.toUpperCase().replaceAll('-', '_');
}

interface Place {
  readonly section: string;
  readonly key: string;
  readonly kind: string;
}

function knownVariables(): ReadonlyMap<string, Place> {
  const defaults = configDocumentSchema.parse({});
  return new Map(
    Object.entries(defaults).flatMap(([section, values]) =>
      Object.entries(values).map(([key, value]) => [
        variableOf(section, key),
        { section, key, kind: typeof value },
      ]),
    ),
  );
}

function namesSection(variable: string): boolean {
  return (CONFIG_KEYS[''] ?? []).some((section) =>
    variable.startsWith(`ROOKERY_${section.toUpperCase()}_`),
  );
}

/** Text that is no number or no truth value stays text, so that the check of the key refuses it. */
function convert(value: string, kind: string): unknown {
  if (kind === 'number' && /^-?\d+$/.test(value)) {
    return Number(value);
  }
  if (kind === 'boolean' && (value === 'true' || value === 'false')) {
    return value === 'true';
  }
  return value;
}
