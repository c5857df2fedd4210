import type { GpkgRefusal } from '../../src/binpkg/gpkg/refusals.ts';
import type { VerifyOptions } from '../../src/binpkg/gpkg/verify.ts';
import { type Forged, IMAGE, type RawEntry, type RawMember, tar } from './made-package.ts';

/** A package that has to be refused, and why. */
export interface HostileCase {
  readonly what: string;
  readonly code: GpkgRefusal;
  readonly forged?: Forged;
  readonly bytes?: Buffer;
  readonly options?: VerifyOptions;
}

export function image(...entries: readonly RawEntry[]): Forged {
  return { image: tar([...IMAGE, ...entries]) };
}

export function metadata(...entries: readonly RawEntry[]): Forged {
  return { metadata: tar(entries) };
}

export function add(...more: readonly RawMember[]): Forged {
  return { members: (usual) => [...usual, ...more] };
}

export function without(part: string): Forged {
  return { members: (usual) => usual.filter(({ name }) => !name.includes(part)) };
}

export function replaced(name: string, change: Partial<RawMember>): Forged {
  return {
    members: (usual) => usual.map((one) => (one.name === name ? { ...one, ...change } : one)),
  };
}

export function manifest(change: (text: string) => string): Forged {
  return { manifest: change };
}
