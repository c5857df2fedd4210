import type { ProfileDocument } from '../../src/gentoo/profile-document.ts';
import type { ProfileSource } from '../../src/gentoo/resolve-profile.ts';

export const COMPLETE: ProfileDocument = {
  arch: 'amd64',
  chost: 'x86_64-pc-linux-gnu',
  cflags: '-O2 -pipe',
};

export function sourceOf(
  name: string,
  document: ProfileDocument | undefined,
  more: Partial<ProfileSource> = {},
): ProfileSource {
  const file = `${name}/profile.toml`;
  return { name, file, document, sets: {}, portageFiles: {}, recipes: {}, faults: [], ...more };
}
