import type { PackageLimits } from '../limits.ts';
import { DYN, damaged, type ElfReader } from './elf-reader.ts';

const CHUNK_ENTRIES = 256;
const DT_NULL = 0;

/**
 * The entries of a dynamic section, tag to values, from a place in the file to the entry that ends them. As scanelf
 * (`scanelf.c:scanelf_dt_for_each`) it goes by no size, and never takes an entry that ends with the file.
 *
 * Throws `elf-damaged` for more entries than the limit.
 */
export async function readDynamicTags(
  reader: ElfReader,
  start: number,
  { elfEntries }: Pick<PackageLimits, 'elfEntries'>,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const tags = new Map<number, number[]>();
  const size = reader.sizeOf(DYN);
  for (let place = start; place + size < reader.source.size; place += CHUNK_ENTRIES * size) {
    const whole = Math.ceil((reader.source.size - place) / size) - 1;
    const count = Math.min(CHUNK_ENTRIES, whole);
    const chunk = await reader.bytes(place, count * size, 'dynamic section');
    for (let at = 0; at < chunk.length; at += size) {
      const entry = chunk.subarray(at, at + size);
      const tag = reader.field(entry, DYN.tag);
      if (tag === DT_NULL) {
        return tags;
      }
      if ((place + at - start) / size >= elfEntries) {
        throw damaged(`it has more than ${elfEntries} dynamic entries`);
      }
      const values = tags.get(tag) ?? [];
      values.push(reader.field(entry, DYN.value));
      tags.set(tag, values);
    }
  }
  return tags;
}
