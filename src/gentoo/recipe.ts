import * as z from 'zod';

const SHA512_HEX = /^[0-9a-f]{128}$/;

/** Where a recipe's source comes from. */
export const recipeSourceSchema = z.union(
  [
    /** A folder, relative to the recipe's file when it is not absolute. The server packs it and hands it to agents. */
    z.strictObject({ folder: z.string().min(1) }),
    /** A tarball, fetched by the agent and checked before it is unpacked. */
    z.strictObject({ url: z.string().min(1), sha512: z.string().regex(SHA512_HEX) }),
  ],
  { error: 'needs a "folder", or a "url" and its "sha512" (128 hexadecimal digits)' },
);

/**
 * A recipe of the `source` executor: how to make one package without Portage. `build` and `install` are lines of
 * POSIX sh, run with `set -e` in the unpacked source; S, D, T, WORKDIR, PN, PV, P, PF, CATEGORY, CHOST, CC, CXX,
 * CFLAGS, CXXFLAGS, LDFLAGS and MAKEOPTS are set as in an ebuild.
 */
export const recipeSchema = z.strictObject({
  cpv: z.string(),
  slot: z.string().default('0'),
  description: z.string(),
  homepage: z.string().default(''),
  license: z.string().default(''),
  keywords: z.string().optional(),
  source: recipeSourceSchema,
  /** Atoms, in Portage's words. `depend` is needed to build, `rdepend` to run. */
  depend: z.array(z.string()).default([]),
  rdepend: z.array(z.string()).default([]),
  build: z.array(z.string()).default([]),
  install: z.array(z.string()).min(1, 'needs at least one line'),
});
export type Recipe = z.infer<typeof recipeSchema>;
