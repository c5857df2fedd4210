import type { ByteSource } from '../byte-source.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { StringTable } from './dynamic-strings.ts';
import { readDynamicTags } from './dynamic-tags.ts';
import { type ElfLimits, openElf, PT, readSegments, type Segment } from './elf-file.ts';
import { damaged, type ElfReader, VERNAUX, VERNEED } from './elf-reader.ts';

const DT = { strtab: 5, verneed: 0x6ffffffe } as const;

/**
 * The versions of symbols that an ELF file asks of its libraries (`.gnu.version_r`), as `GLIBC_2.34`, each once. They
 * are found as the dynamic linker finds them, by DT_VERNEED and the segments, so that section headers are not needed.
 * None for what is no ELF file, or asks for none.
 *
 * Throws `elf-damaged`.
 */
export async function readVersionNeeds(
  source: ByteSource,
  limits: ElfLimits = DEFAULT_LIMITS,
): Promise<string[]> {
  const opened = await openElf(source);
  if (opened === undefined) {
    return [];
  }
  const { reader } = opened;
  const segments = await readSegments(reader, opened.header, limits);
  const dynamic = segments.find(({ type }) => type === PT.dynamic);
  if (dynamic === undefined) {
    return [];
  }
  const tags = await readDynamicTags(reader, dynamic.offset, limits);
  const [needs] = tags.get(DT.verneed) ?? [];
  const [strings] = tags.get(DT.strtab) ?? [];
  if (needs === undefined || strings === undefined) {
    return [];
  }
  const names = await nameOffsets(reader, placeOf(needs, segments), limits);
  const table = new StringTable(reader, placeOf(strings, segments), limits);
  return [...new Set(await table.all(names))];
}

/** Where in the file the byte is that has this address in memory. */
function placeOf(address: number, segments: readonly Segment[]): number {
  const segment = segments.find(
    ({ type, address: start, size }) =>
      type === PT.load && start <= address && address < start + size,
  );
  if (segment === undefined) {
    throw damaged(`no segment has the address ${address}`);
  }
  return segment.offset + address - segment.address;
}

async function nameOffsets(
  reader: ElfReader,
  start: number,
  { elfEntries }: ElfLimits,
): Promise<number[]> {
  const offsets: number[] = [];
  let seen = 0;
  for (let at = start, isMore = true; isMore; ) {
    const need = await reader.bytes(at, reader.sizeOf(VERNEED), 'list of needed versions');
    const aux = at + reader.field(need, VERNEED.aux);
    offsets.push(...(await ofOneLibrary(reader, aux, reader.field(need, VERNEED.count))));
    seen += 1;
    if (seen > elfEntries || offsets.length > elfEntries) {
      throw damaged(`it asks for more than ${elfEntries} versions`);
    }
    const next = reader.field(need, VERNEED.next);
    isMore = next !== 0;
    at += next;
  }
  return offsets;
}

async function ofOneLibrary(reader: ElfReader, start: number, count: number): Promise<number[]> {
  const offsets: number[] = [];
  for (let at = start; offsets.length < count; ) {
    const aux = await reader.bytes(at, reader.sizeOf(VERNAUX), 'list of needed versions');
    offsets.push(reader.field(aux, VERNAUX.name));
    const next = reader.field(aux, VERNAUX.next);
    if (next === 0) {
      break;
    }
    at += next;
  }
  return offsets;
}
