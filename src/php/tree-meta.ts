import * as z from 'zod';
import { AppError } from '../support/errors.ts';
import { isPhpVersion, parseTreeId } from './tree-id.ts';

/** What a web server can talk to. */
export const SAPIS = ['cli', 'fpm', 'apache'] as const;
export type Sapi = (typeof SAPIS)[number];

const word = z.string().regex(/^[\x21-\x7e]{1,200}$/, 'has to be one word of ASCII');
const line = z
  .string()
  .max(500)
  .regex(/^\P{Cc}*$/u, 'has to be one line without control characters');

/** Where a tree comes from. */
export const treeBuildSchema = z.strictObject({
  kind: z.enum(['import', 'build']),
  /** What it was made of: file names or URLs, with their SHA-256 where there is one. */
  sources: z.array(z.strictObject({ name: line, sha256: z.string().nullable() })).max(100),
  agent: line.nullable(),
  /** ISO 8601, UTC, whole seconds. */
  when: z.iso.datetime(),
});
export type TreeBuild = z.infer<typeof treeBuildSchema>;

/** What whoever makes a tree says about it: what cannot be read from its files without running them. */
export const treeFactsSchema = z.strictObject({
  php: z.string().refine(isPhpVersion, 'has to be a version of PHP such as 8.2.30'),
  /** Of the extension folder. */
  api: z.string().regex(/^20[0-9]{6}$/, 'has to be an extension API such as 20220829'),
  isThreadSafe: z.boolean(),
  isDebug: z.boolean(),
  /** As `php -m` names them, with the tree's own configuration. */
  extensions: z
    .array(
      z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_ .-]{0,60}$/, 'has to be the name of an extension'),
    )
    .min(1)
    .max(500),
  build: treeBuildSchema.omit({ when: true }),
});
export type TreeFacts = z.infer<typeof treeFactsSchema>;

/** META.json of a tree: docs/decisions/0025. */
export const treeMetaSchema = z.strictObject({
  format: z.literal(1),
  id: z.string().refine((id) => parseTreeId(id) !== undefined, 'has to be the id of a tree'),
  php: treeFactsSchema.shape.php,
  profile: z.string(),
  revision: z.number().int().min(1),
  api: treeFactsSchema.shape.api,
  isThreadSafe: z.boolean(),
  isDebug: z.boolean(),
  sapis: z.array(z.enum(SAPIS)).min(1),
  extensions: treeFactsSchema.shape.extensions,
  /** REQUIRES as Portage writes it, without what the tree ships. */
  requires: z.string().regex(/^[\x20-\x7e]*$/),
  /** Newest version of GLIBC_ that a file of the tree asks for. */
  glibc: word.nullable(),
  build: treeBuildSchema,
});
export type TreeMeta = z.infer<typeof treeMetaSchema>;

/** META.json as text: one key a line, the same for equal values. */
export function formatMeta(meta: TreeMeta): string {
  const extensions = [...new Set(meta.extensions)].toSorted(byLetters);
  const lines = Object.entries({ ...meta, extensions }).map(
    ([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** Throws `php-meta-invalid`. */
export function parseMeta(text: string): TreeMeta {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('php-meta-invalid', 'The META.json of a PHP tree is not JSON.', {
      cause: error,
    });
  }
  const result = treeMetaSchema.safeParse(value);
  if (!result.success) {
    throw new AppError(
      'php-meta-invalid',
      `The META.json of a PHP tree does not hold: ${faultsOf(result.error)}.`,
    );
  }
  return result.data;
}

export function faultsOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.') || 'all of it'}: ${message}`)
    .join('; ');
}

/** PHP's names are ASCII; case is left aside, as `php -m` sorts. */
function byLetters(a: string, b: string): number {
  const [low, high] = [a.toLowerCase(), b.toLowerCase()];
  return low < high ? -1 : low > high ? 1 : a < b ? -1 : Number(a > b);
}
