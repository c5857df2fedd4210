import { tarOf } from '../../src/binpkg/archive/tar-writer.ts';
import { makeElf } from '../binpkg/made-elf.ts';

export type TreeFiles = Readonly<
  Record<
    string,
    {
      readonly content?: string | Buffer;
      readonly mode?: number;
      readonly link?: string;
      readonly hardlink?: string;
    }
  >
>;

const php = makeElf({ type: 3, needed: ['libc.so.6', 'libssl.so.3'], flags1: 0x08000001 });

/** A tree with everything that has to be there, of a few kilobytes; its programs do nothing. */
export const SMALL_TREE: TreeFiles = {
  'bin/php': { content: php, mode: 0o755 },
  'sbin/php-fpm': { content: Buffer.concat([php, Buffer.from('fpm')]), mode: 0o755 },
  'lib/extensions/pdo.so': { content: makeElf({ needed: ['libc.so.6'] }) },
  'etc/php.ini': { content: 'memory_limit = 128M\n' },
  'etc/conf.d/20-pdo.ini': { content: 'extension = pdo.so\n' },
  'etc/php-fpm.conf': { content: 'listen = @RUN@/@ID@.sock\n' },
};

export const FACTS = {
  php: '8.2.30',
  api: '20220829',
  isThreadSafe: false,
  isDebug: false,
  extensions: ['pdo', 'Core'],
  build: {
    kind: 'import',
    sources: [{ name: 'php.gpkg.tar', sha256: 'ab'.repeat(32) }],
    agent: null,
  },
};

/** The upload of a tree: folders that are not named come by themselves, before what is in them. */
export function packSmallTree(files: TreeFiles, facts: object = FACTS): Buffer {
  const folders = new Set<string>();
  const links = new Set(Object.keys(files).filter((path) => files[path]?.link !== undefined));
  for (const path of Object.keys(files)) {
    const names = path.split('/').slice(0, -1);
    names.forEach((_, at) => folders.add(names.slice(0, at + 1).join('/')));
  }
  return tarOf(
    [
      directory('image'),
      file('image/facts.json', Buffer.from(JSON.stringify(facts))),
      directory('image/tree'),
      ...[...folders]
        .filter((path) => !links.has(path))
        .toSorted()
        .map((path) => directory(`image/tree/${path}`)),
      ...Object.entries(files).map(([path, { content = '', mode, link, hardlink }]) => {
        const target = link ?? hardlink;
        return target === undefined
          ? file(`image/tree/${path}`, Buffer.from(content), mode)
          : {
              entry: {
                path: `image/tree/${path}`,
                type: link === undefined ? ('hardlink' as const) : ('symlink' as const),
                linkPath: target,
                mtimeSeconds: 0,
              },
              content: Buffer.alloc(0),
            };
      }),
    ],
    'gnu',
  );
}

function directory(path: string) {
  return {
    entry: { path, type: 'directory' as const, mode: 0o755, mtimeSeconds: 0 },
    content: Buffer.alloc(0),
  };
}

function file(path: string, content: Buffer, mode = 0o644) {
  return { entry: { path, type: 'file' as const, mode, mtimeSeconds: 0 }, content };
}
