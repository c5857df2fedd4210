import type { PackageLimits } from '../limits.ts';
import { damaged, EHDR, type ElfReader, SHDR } from './elf-reader.ts';

/** The name of the section, as it stands among the names of sections. */
const DYNSTR = Buffer.from('.dynstr\0');
const MOST_NAME_BYTES = 1024 * 1024;
/** Strings may overlap, so a small file may have many long ones. */
const MOST_STRING_BYTES = 1024 * 1024;

/**
 * Where the section `.dynstr` begins in the file (`paxelf.c:elf_findsecbyname`): the last one of that name. Undefined
 * where there are no section headers, or they do not fit the file.
 */
export async function findDynamicStrings(
  reader: ElfReader,
  header: Buffer,
): Promise<number | undefined> {
  const count = reader.field(header, EHDR.shnum);
  const size = reader.field(header, EHDR.shentsize);
  const offset = reader.field(header, EHDR.shoff);
  const namesIndex = reader.field(header, EHDR.shstrndx);
  const fits = size === reader.sizeOf(SHDR) && offset + count * size <= reader.source.size;
  if (!fits || namesIndex >= count) {
    return undefined;
  }
  const table = await reader.bytes(offset, count * size, 'section header table');
  const sections = Array.from({ length: count }, (_, index) =>
    table.subarray(index * size, (index + 1) * size),
  );
  const namesAt = sections.map((section) => reader.field(section, SHDR.name));
  const furthest = namesAt.reduce((most, at) => Math.max(most, at), 0);
  const names = await reader.upTo(
    reader.field(sections[namesIndex] ?? table, SHDR.offset),
    Math.min(furthest + DYNSTR.length, MOST_NAME_BYTES),
  );
  const found = sections.findLast((_, index) => {
    const at = namesAt[index] ?? 0;
    return names.subarray(at, at + DYNSTR.length).equals(DYNSTR);
  });
  return found && reader.field(found, SHDR.offset);
}

/** Strings that end with a zero byte, from a place in the file on; none at all where that is not known. */
export class StringTable {
  readonly #reader: ElfReader;
  readonly #start: number;
  readonly #most: number;
  #bytes = 0;

  constructor(
    reader: ElfReader,
    start: number | undefined,
    { elfStringBytes }: Pick<PackageLimits, 'elfStringBytes'>,
  ) {
    this.#reader = reader;
    this.#start = start ?? Number.POSITIVE_INFINITY;
    this.#most = elfStringBytes;
  }

  /** What lies beyond the file is left out. Throws `elf-damaged` for a string that is too long, or too much in all. */
  async all(offsets: readonly number[]): Promise<string[]> {
    const strings: string[] = [];
    for (const offset of offsets) {
      const place = this.#reader.sum(this.#start, offset);
      if (place < this.#reader.source.size) {
        strings.push(await this.#at(place));
      }
    }
    return strings;
  }

  async #at(place: number): Promise<string> {
    const bytes = await this.#reader.upTo(place, this.#most + 1);
    const end = bytes.indexOf(0);
    const text = bytes.subarray(0, end === -1 ? bytes.length : end);
    this.#bytes += text.length;
    if (text.length > this.#most || this.#bytes > MOST_STRING_BYTES) {
      throw damaged(
        `its strings are longer than ${this.#most} bytes, or ${MOST_STRING_BYTES} in all`,
      );
    }
    return text.toString('utf8');
  }
}
