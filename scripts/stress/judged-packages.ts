import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export type Executor = 'portage' | 'source';
export const PROFILE = 'web';
const CATEGORY = 'app-test';

/** The graph that the farm is judged by: eight packages that can be built, one that cannot, two that need that, and one that never ends. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  zlib: [],
  expat: [],
  pcre: [],
  icu: [],
  xml: ['zlib', 'expat'],
  curl: ['zlib', 'pcre'],
  web: ['xml', 'curl'],
  tools: ['icu'],
  broken: ['zlib'],
  plugin: ['broken', 'expat'],
  bundle: ['plugin', 'pcre'],
};
export const BROKEN = `${CATEGORY}/broken-1.0`;
export const SKIPPED: readonly string[] = [`${CATEGORY}/plugin-1.0`, `${CATEGORY}/bundle-1.0`];
export const SLOW = `${CATEGORY}/slow-1.0`;
export const GOOD: readonly string[] = Object.keys(NEEDS)
  .map((name) => `${CATEGORY}/${name}-1.0`)
  .filter((cpv) => cpv !== BROKEN && !SKIPPED.includes(cpv));
/** What its compiler says. */
export const FIRST_ERROR = "main.c:7:3: error: 'greeting' undeclared (first use in this function)";

/** The atom of a package of the graph. */
export function atomOf(cpv: string): string {
  return cpv.replace(/-1\.0$/, '');
}

interface Made {
  readonly name: string;
  readonly needs: readonly string[];
  /** What its compilation says and does, in sh. */
  readonly compile: readonly string[];
}

function packages(buildSeconds: number): Made[] {
  const graph = Object.entries(NEEDS).map(([name, needs]) => ({
    name,
    needs: needs.map((one) => `${CATEGORY}/${one}`),
    compile:
      name === 'broken'
        ? [
            'echo "cc -c main.c"',
            `echo "${FIRST_ERROR}"`,
            'echo "make: *** [all] Error 1"',
            'false',
          ]
        : [`sleep ${buildSeconds}`],
  }));
  return [...graph, { name: 'slow', needs: [], compile: ['sleep 3600'] }];
}

/**
 * Writes the packages as ebuilds of an overlay or as recipes, and a profile for them. Each build adds a line to
 * `built.txt` with its name and the place where it was built, which is another one at each attempt.
 */
export async function writePackages(
  folder: string,
  executor: Executor,
  buildSeconds: number,
): Promise<void> {
  const own = join(folder, 'profiles', PROFILE);
  const note = join(folder, 'built.txt');
  await mkdir(join(own, 'recipes'), { recursive: true });
  await writeFile(note, '');
  await writeFile(join(own, 'profile.toml'), profileText(folder, executor));
  if (executor === 'portage') {
    const sample = join(import.meta.dirname, '../sample/overlay');
    const overlay = join(folder, 'overlay');
    await cp(sample, overlay, { recursive: true });
    await write(join(overlay, 'profiles/categories'), `app-misc\n${CATEGORY}\ndev-libs\n`);
    for (const made of packages(buildSeconds)) {
      const path = join(overlay, CATEGORY, made.name, `${made.name}-1.0.ebuild`);
      await write(path, ebuild(made, note));
    }
    return;
  }
  await write(join(folder, 'source/README'), 'nothing\n');
  for (const made of packages(buildSeconds)) {
    await write(join(own, 'recipes', `${made.name}.toml`), recipe(made, folder, note));
  }
}

/** Where all builders have their prefix, each its own. */
export function prefixOf(folder: string): string {
  return join(folder, 'prefix');
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

function profileText(folder: string, executor: Executor): string {
  const root = ['[build-root]', 'kind = "prefix"', `path = "${prefixOf(folder)}"`];
  return [
    'description = "The farm that is judged"',
    'arch = "amd64"',
    'chost = "x86_64-pc-linux-gnu"',
    'cflags = "-O2"',
    `executor = "${executor}"`,
    'channels = ["testing"]',
    ...(executor === 'portage' ? root : []),
    '',
  ].join('\n');
}

function ebuild({ name, needs, compile }: Made, note: string): string {
  return [
    'EAPI=8',
    'DESCRIPTION="Part of a graph"',
    'S="${WORKDIR}"',
    'LICENSE="MIT"',
    'SLOT="0"',
    'KEYWORDS="amd64 arm64"',
    `DEPEND="${needs.join(' ')}"`,
    'RDEPEND="${DEPEND}"',
    'src_compile() {',
    `\techo "${name} \${T}" >> "${note}" || die`,
    ...compile.slice(0, -1).map((line) => `\t${line}`),
    `\t${compile.at(-1) ?? 'true'} || die "compilation failed"`,
    '}',
    'src_install() {',
    '\tinsinto /usr/share/judged',
    `\techo ${name} > ${name} || die`,
    `\tdoins ${name}`,
    '}',
    '',
  ].join('\n');
}

function recipe({ name, needs, compile }: Made, folder: string, note: string): string {
  const lines = [`echo "${name} $PWD" >> "${note}"`, ...compile];
  const share = '$D/usr/share/judged';
  const install = [`mkdir -p "${share}"`, `echo ${name} > "${share}/${name}"`];
  return [
    `cpv = "${CATEGORY}/${name}-1.0"`,
    'description = "Part of a graph"',
    `rdepend = ${JSON.stringify(needs)}`,
    `build = ${JSON.stringify(lines)}`,
    `install = ${JSON.stringify(install)}`,
    '[source]',
    `folder = "${join(folder, 'source')}"`,
    '',
  ].join('\n');
}
