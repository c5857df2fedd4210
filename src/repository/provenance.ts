import * as z from 'zod';
import { digestOf } from '../support/digests.ts';

/** The metadata key that says where a package comes from, as JSON. The package's signature covers it. */
export const PROVENANCE_KEY = 'ROOKERY_PROVENANCE';

/** What a package of Portage was made from and built with, as far as a change of that has it built again. */
export const ingredientsSchema = z.object({
  /** Of the ebuild and its eclasses. */
  source: z.string().nullable(),
  /** Of the profile. */
  settings: z.string(),
  /** What it was built with directly. `content`: a `PackageContent`, or `version:` for what no repository knows. */
  with: z.array(z.object({ cpv: z.string(), slot: z.string(), content: z.string() })),
});
export type Ingredients = z.infer<typeof ingredientsSchema>;

const provenanceSchema = z.object({
  /** Its id; packages of Rookery before 0.2 have none. */
  package: z.string().optional(),
  /** Milliseconds since the epoch. */
  importedAt: z.number().optional(),
  profile: z.string(),
  origin: z.string(),
  upload: z.string(),
  inputs: z.string().nullable().optional(),
  ingredients: ingredientsSchema.optional(),
  /** The BUILD_IDs that this very image had before it was signed again. */
  formerBuildIds: z.array(z.number().int().min(1)).optional(),
});

/** What a signed package says about itself, as far as its row in the database needs it. */
export type Provenance = z.infer<typeof provenanceSchema>;

/** Undefined when the text is no provenance of this repository. */
export function readProvenance(text: string): Provenance | undefined {
  try {
    return provenanceSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** See `Provenance.formerBuildIds`. */
export function formerBuildIdsIn(text: string): readonly number[] {
  return readProvenance(text)?.formerBuildIds ?? [];
}

/** The id of a package that does not bring one along for its profile: the same file there always has the same. */
export function derivedId(profile: string, sha512: string): string {
  return `pkg-${digestOf('sha256', `${profile}\n${sha512}`).slice(0, 16)}`;
}

/** Who a package file is in a profile, by what it says itself. */
export interface OwnWords {
  readonly id: string;
  readonly uploadSha512: string;
  readonly inputs: string | null;
  readonly origin: string;
}

/**
 * In the profile it was imported for a package is what its provenance says. In another one it is the same file, taken
 * over as it was signed: its id follows from its bytes, and its origin is the first profile.
 */
export function ownWords(profile: string, sha512: string, said: Provenance): OwnWords {
  return said.profile === profile
    ? {
        id: said.package ?? derivedId(profile, sha512),
        uploadSha512: said.upload,
        inputs: said.inputs ?? null,
        origin: said.origin,
      }
    : {
        id: derivedId(profile, sha512),
        uploadSha512: sha512,
        inputs: null,
        origin: `profile:${said.profile}`,
      };
}
