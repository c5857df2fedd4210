import { dirname } from 'node:path';
import { type HostileCase, image, metadata, replaced } from './hostile-case.ts';
import { bareTar, IMAGE, type RawEntry, tar } from './made-package.ts';

const slot: RawEntry = { name: 'metadata/SLOT', content: '0' };

/** `victim` is a file outside, which must stay as it is. */
export const metadataCases = (victim: string): readonly HostileCase[] => [
  {
    what: 'metadata that is not compressed as it says',
    code: 'gpkg-metadata-damaged',
    forged: replaced('metadata.tar.gz', { content: 'x' }),
  },
  {
    what: 'metadata cut off',
    code: 'gpkg-metadata-damaged',
    forged: { metadata: bareTar([{ ...slot, size: 2000 }]) },
  },
  { what: 'no metadata at all', code: 'gpkg-metadata-damaged', forged: { metadata: tar([]) } },
  {
    what: 'bytes after the metadata',
    code: 'gpkg-metadata-damaged',
    forged: { metadata: Buffer.concat([tar([slot]), Buffer.from('more')]) },
  },
  {
    what: 'large compressed metadata',
    code: 'gpkg-metadata-too-large',
    options: { limits: { metadataCompressedBytes: 10 } },
  },
  {
    what: 'large metadata',
    code: 'gpkg-metadata-too-large',
    options: { limits: { metadataBytes: 1000 } },
  },
  {
    what: 'a value that claims to be endless',
    code: 'gpkg-metadata-too-large',
    forged: metadata({ ...slot, size: 8 ** 10 }),
  },
  {
    what: 'too many keys',
    code: 'gpkg-metadata-too-large',
    options: { limits: { metadataKeys: 3 } },
  },
  {
    what: 'a metadata folder entry',
    code: 'gpkg-metadata-path',
    forged: metadata({ name: 'metadata/', typeflag: '5' }, slot),
  },
  {
    what: 'metadata with ./',
    code: 'gpkg-metadata-path',
    forged: metadata({ ...slot, name: './metadata/SLOT' }),
  },
  {
    what: 'metadata in a deeper folder',
    code: 'gpkg-metadata-path',
    forged: metadata({ ...slot, name: 'metadata/a/b' }),
  },
  {
    what: 'metadata that leads outside',
    code: 'gpkg-metadata-path',
    forged: metadata({ ...slot, name: 'metadata/../x' }),
  },
  {
    what: 'metadata by an absolute path',
    code: 'gpkg-metadata-path',
    forged: metadata({ ...slot, name: victim }),
  },
  {
    what: 'a metadata link to a file outside',
    code: 'gpkg-metadata-not-file',
    forged: metadata({ name: 'metadata/SLOT', typeflag: '2', linkname: victim }),
  },
  { what: 'a key twice', code: 'gpkg-metadata-duplicate', forged: metadata(slot, slot) },
];

/** `victim` is a file outside, which must stay as it is. */
export const imageCases = (victim: string): readonly HostileCase[] => [
  {
    what: 'an image that is not compressed as it says',
    code: 'gpkg-image-damaged',
    forged: replaced('image.tar.gz', { content: 'x' }),
  },
  { what: 'an image without entries', code: 'gpkg-image-damaged', forged: { image: tar([]) } },
  {
    what: 'an image cut off in a file',
    code: 'gpkg-image-damaged',
    forged: { image: bareTar([{ name: 'image/x', content: 'y', size: 5000 }]) },
  },
  {
    what: 'a sparse file',
    code: 'gpkg-image-damaged',
    forged: image({ name: 'image/s', typeflag: 'S', magic: 'gnu' }),
  },
  {
    what: 'bytes after the image',
    code: 'gpkg-image-damaged',
    forged: { image: Buffer.concat([tar(IMAGE), tar(IMAGE)]) },
  },
  {
    what: 'a large image',
    code: 'gpkg-image-too-large',
    options: { limits: { imageBytes: 1000 } },
  },
  {
    what: 'a compression bomb',
    code: 'gpkg-ratio-exceeded',
    forged: image({ name: 'image/zeros', content: Buffer.alloc(4_000_000) }),
    options: { limits: { ratio: 100, ratioFreeBytes: 1_000_000 } },
  },
  {
    what: 'too many entries',
    code: 'gpkg-image-too-many-entries',
    options: { limits: { imageEntries: 5 } },
  },
  {
    what: 'too many bytes of names',
    code: 'gpkg-image-too-many-entries',
    options: { limits: { imageNameBytes: 30 } },
  },
  {
    what: 'a long path',
    code: 'gpkg-image-path-too-long',
    options: { limits: { pathBytes: 10 } },
  },
  { what: 'a deep path', code: 'gpkg-image-path-too-long', options: { limits: { pathDepth: 2 } } },
  {
    what: 'an absolute path',
    code: 'gpkg-image-absolute',
    forged: image({ name: victim, content: 'evil' }),
  },
  {
    what: '.. at the start',
    code: 'gpkg-image-traversal',
    forged: image({ name: '../outside/victim', content: 'evil' }),
  },
  {
    what: '.. inside',
    code: 'gpkg-image-traversal',
    forged: image({ name: 'image/../../outside/victim' }),
  },
  {
    what: '.. at the end',
    code: 'gpkg-image-traversal',
    forged: image({ name: 'image/..', typeflag: '5' }),
  },
  {
    what: 'an entry beside the image',
    code: 'gpkg-image-outside',
    forged: image({ name: 'other/x' }),
  },
  {
    what: 'an entry whose name only begins like image',
    code: 'gpkg-image-outside',
    forged: image({ name: 'imagery/x' }),
  },
  { what: 'a dot inside a path', code: 'gpkg-image-outside', forged: image({ name: 'image/./x' }) },
  { what: 'an empty segment', code: 'gpkg-image-outside', forged: image({ name: 'image//x' }) },
  {
    what: 'an image that is a link',
    code: 'gpkg-image-outside',
    forged: { image: tar([{ name: 'image', typeflag: '2', linkname: dirname(victim) }]) },
  },
  {
    what: 'a path twice',
    code: 'gpkg-image-duplicate',
    forged: image({ name: 'image/usr/bin/hello' }),
  },
  {
    what: 'a folder twice',
    code: 'gpkg-image-duplicate',
    forged: image({ name: 'image/usr', typeflag: '5' }),
  },
  {
    what: 'a path twice, once with ./',
    code: 'gpkg-image-duplicate',
    forged: image({ name: './image/usr/bin/hello' }),
  },
  {
    what: 'a character device',
    code: 'gpkg-image-device',
    forged: image({ name: 'image/d', typeflag: '3' }),
  },
  {
    what: 'a block device',
    code: 'gpkg-image-device',
    forged: image({ name: 'image/d', typeflag: '4' }),
  },
  { what: 'a FIFO', code: 'gpkg-image-device', forged: image({ name: 'image/d', typeflag: '6' }) },
  {
    what: 'a hard link to a file outside',
    code: 'gpkg-image-hardlink',
    forged: image({ name: 'image/h', typeflag: '1', linkname: victim }),
  },
  {
    what: 'a hard link to a later file',
    code: 'gpkg-image-hardlink',
    forged: image({ name: 'image/h', typeflag: '1', linkname: 'image/z' }, { name: 'image/z' }),
  },
  {
    what: 'a hard link to a folder',
    code: 'gpkg-image-hardlink',
    forged: image({ name: 'image/h', typeflag: '1', linkname: 'image/usr' }),
  },
  {
    what: 'a hard link to a link, whose mode Portage would give to a file outside',
    code: 'gpkg-image-hardlink',
    forged: image(
      { name: 'image/out', typeflag: '2', linkname: victim },
      { name: 'image/h', typeflag: '1', linkname: 'image/out', mode: 0o666 },
    ),
  },
  {
    what: 'a link without a target',
    code: 'gpkg-image-link',
    forged: image({ name: 'image/l', typeflag: '2' }),
  },
  {
    what: 'a link to more than Linux has room for',
    code: 'gpkg-image-link',
    forged: image(
      { name: '././@LongLink', typeflag: 'K', magic: 'gnu', content: 'x'.repeat(4096) },
      { name: 'image/l', typeflag: '2', magic: 'gnu' },
    ),
  },
  {
    what: 'a name that no folder has room for',
    code: 'gpkg-image-path-too-long',
    forged: image(
      { name: '././@LongLink', typeflag: 'L', magic: 'gnu', content: `image/${'x'.repeat(256)}` },
      { name: 'image/x', magic: 'gnu' },
    ),
  },
  {
    what: 'a file through a link that leads outside',
    code: 'gpkg-image-through-symlink',
    forged: image(
      { name: 'image/out', typeflag: '2', linkname: dirname(victim) },
      { name: 'image/out/victim', content: 'evil' },
    ),
  },
  {
    what: 'a file below a file',
    code: 'gpkg-image-through-symlink',
    forged: image({ name: 'image/usr/bin/hello/x' }),
  },
  {
    what: 'a link in the place of a folder that was only implied',
    code: 'gpkg-image-through-symlink',
    forged: image(
      { name: 'image/opt/x/file' },
      { name: 'image/opt', typeflag: '2', linkname: dirname(victim) },
    ),
  },
];
