import type { PackageLimits } from '../limits.ts';
import { damaged, EHDR, type ElfReader, SHDR } from './elf-reader.ts';

/** The name of the section, as it stands among the names of sections. */
const DYNSTR = Buffer.from('.dynstr\0');
const MOST_NAME_BYTES = 1024 * 1024;

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
  const home = sections[namesIndex] ?? table;
  const names = await reader.source.read(
    reader.field(home, SHDR.offset),
    Math.min(reader.field(home, SHDR.size), MOST_NAME_BYTES),
  );
  const found = sections.findLast((section) => {
    const name = reader.field(section, SHDR.name);
    return names.subarray(name, name + DYNSTR.length).equals(DYNSTR);
  });
  return found && reader.field(found, SHDR.offset);
}

/** Strings that end with a zero byte. */
export class StringTable {
  readonly #reader: ElfReader;
  readonly #start: number;
  readonly #most: number;

  constructor(
    reader: ElfReader,
    start: number,
    { elfStringBytes }: Pick<PackageLimits, 'elfStringBytes'>,
  ) {
    this.#reader = reader;
    this.#start = start;
    this.#most = elfStringBytes;
  }

  /** Undefined for what lies beyond the file. Throws `elf-damaged` for a string that is too long. */
  async at(offset: number): Promise<string | undefined> {
    const { source } = this.#reader;
    const start = this.#start + offset;
    if (!(start < source.size)) {
      return undefined;
    }
    const bytes = await source.read(start, this.#most + 1);
    const end = bytes.indexOf(0);
    if (end === -1 && bytes.length > this.#most) {
      throw damaged(`the string at ${offset} is longer than ${this.#most} bytes`);
    }
    return bytes.subarray(0, end === -1 ? bytes.length : end).toString('utf8');
  }
}
