import * as z from 'zod';
import { AppError } from '../support/errors.ts';
import type { Recipe } from './recipe.ts';

/** One word that means the same to every shell. */
const SAFE = '[A-Za-z0-9_./:=,+@%-]';
const source = {
  /** File name or URL; it is only told. */
  name: z
    .string()
    .min(1)
    .max(500)
    .regex(/^\P{Cc}*$/u, 'has to be one line'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'has to be 64 hexadecimal digits'),
};

/** What a PHP tree is to be built of, and how. */
export const phpBuildSchema = z.strictObject({
  version: z
    .string()
    .regex(
      /^[0-9]{1,3}\.[0-9]{1,4}\.[0-9]{1,4}(?:(?:alpha|beta|RC)[0-9]{1,3})?$/,
      'has to be a whole version of PHP such as 8.2.30 or 8.5.0RC1',
    ),
  /** Options of PHP's configure, in their order. */
  configure: z
    .array(
      z
        .string()
        .max(500)
        .regex(
          new RegExp(`^--(?:enable|disable|with|without)-${SAFE}+$`),
          'has to be an option of configure such as --enable-intl or --with-zlib=/usr, without spaces and quotes',
        ),
    )
    .max(200)
    .default([]),
  /** Also Apache's module, for which the agent needs apxs. */
  apache: z.boolean().default(false),
  tarball: z.strictObject(source),
  /** From PECL's tarballs; `extension` is what is to be called so. */
  extensions: z
    .array(
      z.strictObject({
        extension: z
          .string()
          .regex(/^[a-z][a-z0-9_]{0,40}$/, 'has to be the name of an extension such as redis'),
        ...source,
      }),
    )
    .max(50)
    .default([])
    .refine(
      (all) => new Set(all.map(({ extension }) => extension)).size === all.length,
      'has an extension twice',
    ),
});
export type PhpBuild = z.infer<typeof phpBuildSchema>;

/** Throws `php-build-invalid`. */
export function parsePhpBuild(value: unknown): PhpBuild {
  const result = phpBuildSchema.safeParse(value);
  if (!result.success) {
    const faults = result.error.issues
      .slice(0, 5)
      .map(({ path, message }) => `${path.join('.') || 'all of it'} ${message}`);
    throw new AppError('php-build-invalid', `PHP cannot be built so: ${faults.join('; ')}.`);
  }
  return result.data;
}

/** Where a tree lies on a node, and so what it is configured for. */
export function phpPrefix(id: string): string {
  return `/opt/php/${id}`;
}

/** Where the sources lie in S: what was packed is the folder `image`, see `packImage` of `binpkg/image.ts`. */
const SOURCES = '$S/image';
export const PHP_SOURCE = 'php';
export function extensionSource(extension: string): string {
  return `extension-${extension}`;
}

/**
 * How the `source` executor builds a tree. `make install` writes below D; what it installs for building extensions, phpize and
 * php-config, is used from copies that look below D as well. `INSTALL_IT` is how PHP calls apxs, which would write
 * into the settings of the agent's own Apache.
 */
export function phpRecipe(id: string, build: PhpBuild): Recipe {
  const { version, tarball, extensions } = build;
  const pv = version.replace(/(alpha|beta|RC)/, (word) => `_${word.toLowerCase()}`);
  return {
    cpv: `dev-lang/php-${pv}`,
    slot: '0',
    description: `PHP ${version} as the tree ${id}`,
    homepage: 'https://www.php.net/',
    license: 'PHP-3.01',
    source: { folder: id },
    depend: [],
    rdepend: [],
    build: [
      ...unpack(PHP_SOURCE, tarball.sha256),
      ...extensions.flatMap(({ extension, sha256 }) => unpack(extensionSource(extension), sha256)),
      `cd "$S/${PHP_SOURCE}"`,
      `./configure ${configureWords(id, build).join(' ')}`,
      'make $MAKEOPTS',
    ],
    install: [
      `cd "$S/${PHP_SOURCE}"`,
      'make INSTALL_ROOT="$D" INSTALL_IT=: install',
      ...(build.apache
        ? [
            `mkdir -p "$D${phpPrefix(id)}/lib/apache2"`,
            `cp libs/libphp*.so "$D${phpPrefix(id)}/lib/apache2/libphp.so"`,
          ]
        : []),
      ...(extensions.length === 0 ? [] : toolsBelowD(id)),
      ...extensions.flatMap(({ extension }) => [
        `cd "$S/${extensionSource(extension)}"`,
        'sh "$T/phpize"',
        './configure "--with-php-config=$T/php-config"',
        'make $MAKEOPTS',
        'make install',
      ]),
    ],
  };
}

/** The agent looks at the digests itself: it believes nobody about what it runs. */
function unpack(name: string, sha256: string): string[] {
  return [
    `echo "${sha256}  ${SOURCES}/${name}" | sha256sum -c -`,
    `mkdir "$S/${name}"`,
    `tar --extract --no-same-owner --strip-components=1 --file "${SOURCES}/${name}" --directory "$S/${name}"`,
  ];
}

function configureWords(id: string, { configure, apache }: PhpBuild): string[] {
  const prefix = phpPrefix(id);
  return [
    `--prefix=${prefix}`,
    `--with-config-file-path=${prefix}/etc`,
    `--with-config-file-scan-dir=${prefix}/etc/conf.d`,
    '--disable-cgi',
    '--without-pear',
    ...configure,
    '--enable-fpm',
    ...(apache ? ['--with-apxs2'] : []),
  ].map((word) => `'${word}'`);
}

function toolsBelowD(id: string): string[] {
  const prefix = phpPrefix(id);
  return ['phpize', 'php-config'].flatMap((name) => [
    `sed "s|${prefix}|$D${prefix}|g" "$D${prefix}/bin/${name}" > "$T/${name}"`,
    `chmod +x "$T/${name}"`,
  ]);
}
