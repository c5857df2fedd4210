// Builds dist: the program as few files, with the packages it uses inside, since reading a thousand modules takes most of
// a start; one more file for each thread; and what lies beside the sources and is not TypeScript, at the same place.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const src = join(root, 'src');
const dist = join(root, 'dist');
/** Packages with machine code: they are read from node_modules. pg asks for pg-native, and goes on without it. */
const OUTSIDE = ['better-sqlite3', 'zstd-napi', 'pg-native'];
const THREAD = /startThread\(import\.meta\.url, '([^']+)'/gu;

const entries = await readdir(src, { recursive: true, withFileTypes: true });
const files = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
const sources = files.filter((file) => file.endsWith('.ts'));
const assets = files.filter((file) => !file.endsWith('.ts') && !file.includes('__pycache__'));

async function threads() {
  const found = [];
  for (const file of sources) {
    for (const [, name] of (await readFile(file, 'utf8')).matchAll(THREAD)) {
      found.push(join(dirname(file), `${name}.ts`));
    }
  }
  return found;
}

/** What a source takes for its own place is its place in src, seen from dist: all that is written stands right in dist. */
const places = {
  name: 'places',
  setup(bundle) {
    // oxlint-disable-next-line eslint/require-unicode-regexp -- esbuild reads it as one of Go
    bundle.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (relative(src, path).startsWith('..') || !text.includes('import.meta')) {
        return undefined;
      }
      const place = relative(src, path).replace(/\.ts$/u, '.js');
      const contents = text
        .replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, import.meta.url).href`)
        .replaceAll(
          'import.meta.dirname',
          `(import.meta.dirname + ${JSON.stringify(`/${dirname(place)}`)})`,
        );
      return { contents, loader: 'ts' };
    });
  },
};

const { outputFiles, metafile } = await build({
  entryPoints: [join(src, 'main.ts'), ...(await threads())],
  absWorkingDir: root,
  outbase: src,
  outdir: dist,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: OUTSIDE,
  banner: {
    js: "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);",
  },
  plugins: [places],
  sourcemap: true,
  metafile: true,
  write: false,
  logLevel: 'warning',
});

// A thread is in the folder of its source; what knows its own place must not be in there.
const misplaced = Object.entries(metafile.outputs)
  .filter(([file]) => dirname(join(root, file)) !== dist)
  .flatMap(([, { inputs }]) => Object.keys(inputs));
for (const file of misplaced) {
  if ((await readFile(join(root, file), 'utf8')).includes('import.meta')) {
    throw new Error(
      `${file} reads import.meta, and is used by a thread only: it would look in the wrong folder`,
    );
  }
}

await rm(dist, { recursive: true, force: true });
for (const file of assets) {
  await put(join(dist, relative(src, file)), await readFile(file));
}
for (const { path, contents } of outputFiles) {
  await put(path, contents);
}

async function put(path, contents) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}
