import { gzipSync } from 'node:zlib';
import { METADATA, type RawEntry, tar } from './made-package.ts';

/** One line of the index, right or wrong. */
export interface RawKey {
  readonly name: string | Buffer;
  readonly value?: string | Buffer;
  /** Instead of the true ones. */
  readonly offset?: number;
  readonly size?: number;
}

export interface MadeXpak {
  readonly keys?: readonly RawKey[];
  /** As stored. Default: `XPAK_IMAGE`, gzipped. */
  readonly image?: Buffer;
  /** Bytes of the finished segment, to be made wrong. */
  readonly segment?: (usual: Buffer) => Buffer;
  /** Instead of the true length of the segment. */
  readonly trailerSize?: number;
}

export const XPAK_IMAGE: readonly RawEntry[] = [
  { name: './', typeflag: '5', mode: 0o755 },
  { name: './usr/', typeflag: '5', mode: 0o755 },
  { name: './usr/bin/', typeflag: '5', mode: 0o755 },
  { name: './usr/bin/hello', content: 'hello\n', mode: 0o4755, uid: 250, gid: 0, uname: 'portage' },
  { name: './usr/bin/hi', typeflag: '2', linkname: './hello', mode: 0o777 },
  { name: './usr/bin/hey', typeflag: '1', linkname: './usr/bin/hello' },
];

export function xpakImage(...more: readonly RawEntry[]): Buffer {
  return tar([...XPAK_IMAGE, ...more]);
}

export function keysOf(
  metadata: Readonly<Record<string, string | Buffer>> = METADATA,
): readonly RawKey[] {
  return Object.entries(metadata).map(([name, value]) => ({ name, value }));
}

export function makeXpak(made: MadeXpak = {}): Buffer {
  const usual = segmentOf(made.keys ?? keysOf());
  const segment = made.segment?.(usual) ?? usual;
  const image = made.image ?? gzipSync(xpakImage());
  const size = u32(made.trailerSize ?? segment.length);
  return Buffer.concat([image, segment, size, Buffer.from('STOP')]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function segmentOf(keys: readonly RawKey[]): Buffer {
  const index: Buffer[] = [];
  const values: Buffer[] = [];
  let at = 0;
  for (const { name, value = '', offset, size } of keys) {
    const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
    index.push(u32(nameBytes.length), nameBytes, u32(offset ?? at), u32(size ?? valueBytes.length));
    values.push(valueBytes);
    at += valueBytes.length;
  }
  const [indexBytes, data] = [Buffer.concat(index), Buffer.concat(values)];
  return Buffer.concat([
    Buffer.from('XPAKPACK'),
    u32(indexBytes.length),
    u32(data.length),
    indexBytes,
    data,
    Buffer.from('XPAKSTOP'),
  ]);
}
