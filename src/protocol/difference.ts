import * as z from 'zod';
import { publicationViewSchema } from './channels.ts';

/**
 *     GET  /api/profiles/:profile/diff?from=<publication>&to=<publication>   differenceQuerySchema -> differenceViewSchema
 *
 * A publication is `<channel>`, which means what the channel shows now, or `<channel>@<serial>`.
 */
const PUBLICATION_NAME = /^[a-z0-9][a-z0-9._-]{0,63}(?:@[1-9][0-9]{0,14})?$/;

export const publicationNameSchema = z.string().regex(PUBLICATION_NAME);

/** What such a name says, once it has been checked. */
export function readPublicationName(name: string): {
  readonly channel: string;
  readonly serial?: number;
} {
  const [channel = '', serial] = name.split('@');
  return serial === undefined ? { channel } : { channel, serial: Number(serial) };
}

export const differenceQuerySchema = z.object({
  from: publicationNameSchema,
  to: publicationNameSchema,
});

const sideSchema = z.object({
  id: z.string(),
  cpv: z.string(),
  buildId: z.number(),
  /** Bytes. */
  size: z.number(),
});
const wordsSchema = z.object({ added: z.array(z.string()), removed: z.array(z.string()) });

const packageChangeSchema = z.object({
  kind: z.enum(['added', 'removed', 'up', 'down', 'rebuilt']),
  /** `category/pn`. */
  name: z.string(),
  slot: z.string(),
  before: sideSchema.nullable(),
  after: sideSchema.nullable(),
  /** Flags that are switched on and off. */
  use: wordsSchema,
  /** `<multilib category>: <soname>`. */
  sonames: wordsSchema,
  /** Bytes. */
  sizeChange: z.number(),
});
export type PackageChangeView = z.infer<typeof packageChangeSchema>;

export const differenceViewSchema = z.object({
  profile: z.string(),
  /** Null for a channel that shows nothing yet. */
  from: publicationViewSchema.nullable(),
  to: publicationViewSchema.nullable(),
  counts: z.object({
    added: z.number(),
    removed: z.number(),
    up: z.number(),
    down: z.number(),
    rebuilt: z.number(),
  }),
  /** Bytes. */
  sizeChange: z.number(),
  changes: z.array(packageChangeSchema),
});
export type DifferenceView = z.infer<typeof differenceViewSchema>;
