import * as z from 'zod';
import { nameSchema } from '../gentoo/profile.ts';
import { digestOf } from '../support/digests.ts';
import { AppError } from '../support/errors.ts';
import { compareTreeIds, parseTreeId } from './tree-id.ts';
import { faultsOf } from './tree-meta.ts';

export const INDEX = 'INDEX.json';
const SIGNATURE = /^INDEX\.json\.([0-9a-f]{16})\.sig$/;
const treeId = z
  .string()
  .refine((id) => parseTreeId(id) !== undefined, 'has to be the id of a tree');

export const indexTreeSchema = z.strictObject({
  id: treeId,
  /** SHA-256 of its MANIFEST, lowercase hex. */
  manifest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of its files, without MANIFEST and signature. */
  bytes: z.number().int().min(0),
  files: z.number().int().min(0),
});
export type IndexTree = z.infer<typeof indexTreeSchema>;

/** Which trees of a profile nodes may use: docs/decisions/0025. */
export const phpIndexSchema = z
  .strictObject({
    format: z.literal(1),
    profile: nameSchema,
    /** Only grows: a node takes none that is smaller than the last it took. */
    serial: z.number().int().min(1),
    /** ISO 8601, UTC, whole seconds. */
    created: z.iso.datetime(),
    channels: z.record(nameSchema, treeId),
    trees: z.array(indexTreeSchema).max(10_000),
  })
  .refine(
    ({ channels, trees }) => {
      const ids = new Set(trees.map(({ id }) => id));
      return Object.values(channels).every((id) => ids.has(id));
    },
    { message: 'a channel shows a tree that is not listed' },
  )
  .refine(({ profile, trees }) => trees.every(({ id }) => parseTreeId(id)?.profile === profile), {
    message: 'a tree is of another profile',
  });
export type PhpIndex = z.infer<typeof phpIndexSchema>;
/** What somebody decides of it. */
export type IndexContents = Pick<PhpIndex, 'channels' | 'trees'>;

/** One record a line, trees from the oldest version on, so that awk can read it: the same text for equal values. */
export function formatIndex(index: PhpIndex): string {
  const channels = Object.entries(index.channels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([channel, id]) => `${JSON.stringify(channel)}: ${JSON.stringify(id)}`);
  const trees = sortedTrees(index.trees).map(({ id, manifest, bytes, files }) =>
    JSON.stringify({ id, manifest, bytes, files }),
  );
  return [
    '{',
    `"format": ${index.format},`,
    `"profile": ${JSON.stringify(index.profile)},`,
    `"serial": ${index.serial},`,
    `"created": ${JSON.stringify(index.created)},`,
    '"channels": {',
    ...commaSeparated(channels),
    '},',
    '"trees": [',
    ...commaSeparated(trees),
    ']',
    '}',
    '',
  ].join('\n');
}

function commaSeparated(lines: readonly string[]): string[] {
  return lines.map((line, at) => (at === lines.length - 1 ? line : `${line},`));
}

function sortedTrees(trees: readonly IndexTree[]): IndexTree[] {
  return trees.toSorted((a, b) => {
    const [one, other] = [parseTreeId(a.id), parseTreeId(b.id)];
    return one === undefined || other === undefined ? 0 : compareTreeIds(one, other);
  });
}

/** Throws `php-index-invalid`. */
export function parseIndex(text: string): PhpIndex {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('php-index-invalid', 'The INDEX.json of PHP trees is not JSON.', {
      cause: error,
    });
  }
  const result = phpIndexSchema.safeParse(value);
  if (!result.success) {
    throw new AppError(
      'php-index-invalid',
      `The INDEX.json of PHP trees does not hold: ${faultsOf(result.error)}.`,
    );
  }
  return result.data;
}

/** The name of the signature of an INDEX of this text. */
export function indexSignatureName(text: string): string {
  return `${INDEX}.${digestOf('sha256', text).slice(0, 16)}.sig`;
}

export function isIndexSignature(name: string): boolean {
  return SIGNATURE.test(name);
}
