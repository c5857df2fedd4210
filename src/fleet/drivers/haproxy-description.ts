import type { BalancerConfiguration } from './ports.ts';

/** What a configuration of HAProxy says of itself, in the line `description` of its section `global`; `show info` repeats it. */
export function describeConfiguration({ live, generation }: BalancerConfiguration): string {
  return `rookery live=${live} generation=${generation}`;
}

/** Undefined when Rookery has not written it. */
export function readDescription(text: string): BalancerConfiguration | undefined {
  const match = /^rookery live=(blue|green) generation=([A-Za-z0-9._-]+)$/.exec(text.trim());
  const [, live, generation] = match ?? [];
  return (live === 'blue' || live === 'green') && generation !== undefined
    ? { live, generation }
    : undefined;
}
