import { AppError } from '../../support/errors.ts';
import type { ByteSource } from '../byte-source.ts';

/** A field of an ELF structure: offset and width in bytes, for 32 and 64 bit. */
type Field = readonly [offset32: number, width32: number, offset64: number, width64: number];

/*
 * System V ABI, "Object Files": ELF header, program header, section header, dynamic entry.
 */
export const EHDR = {
  type: [16, 2, 16, 2],
  machine: [18, 2, 18, 2],
  phoff: [28, 4, 32, 8],
  flags: [36, 4, 48, 4],
  phentsize: [42, 2, 54, 2],
  phnum: [44, 2, 56, 2],
  shoff: [32, 4, 40, 8],
  shentsize: [46, 2, 58, 2],
  shnum: [48, 2, 60, 2],
  shstrndx: [50, 2, 62, 2],
  bytes: [52, 0, 64, 0],
} as const satisfies Record<string, Field>;
export const PHDR = {
  type: [0, 4, 0, 4],
  offset: [4, 4, 8, 8],
  vaddr: [8, 4, 16, 8],
  filesz: [16, 4, 32, 8],
  bytes: [32, 0, 56, 0],
} as const satisfies Record<string, Field>;
export const SHDR = {
  name: [0, 4, 0, 4],
  offset: [16, 4, 24, 8],
  size: [20, 4, 32, 8],
  bytes: [40, 0, 64, 0],
} as const satisfies Record<string, Field>;
export const DYN = {
  tag: [0, 4, 0, 8],
  value: [4, 4, 8, 8],
  bytes: [8, 0, 16, 0],
} as const satisfies Record<string, Field>;
/* Linux Standard Base, "Symbol Versioning": Elfxx_Verneed and Elfxx_Vernaux. */
export const VERNEED = {
  count: [2, 2, 2, 2],
  aux: [8, 4, 8, 4],
  next: [12, 4, 12, 4],
  bytes: [16, 0, 16, 0],
} as const satisfies Record<string, Field>;
export const VERNAUX = {
  name: [8, 4, 8, 4],
  next: [12, 4, 12, 4],
  bytes: [16, 0, 16, 0],
} as const satisfies Record<string, Field>;

/** Reads numbers and strings of one ELF file in its width and byte order. Nothing is read past the file's end. */
export class ElfReader {
  readonly source: ByteSource;
  readonly is64: boolean;
  readonly #bigEndian: boolean;

  constructor(source: ByteSource, form: { readonly is64: boolean; readonly bigEndian: boolean }) {
    this.source = source;
    this.is64 = form.is64;
    this.#bigEndian = form.bigEndian;
  }

  /** Bytes of a structure. */
  sizeOf(structure: { readonly bytes: Field }): number {
    return this.is64 ? structure.bytes[2] : structure.bytes[0];
  }

  /** Exactly these bytes. Throws `elf-damaged`. */
  async bytes(offset: number, length: number, what: string): Promise<Buffer> {
    if (!(offset + length <= this.source.size)) {
      throw damaged(`its ${what} reaches past the end of the file`);
    }
    return await this.source.read(offset, length);
  }

  /** These bytes; fewer where the file ends. */
  async upTo(offset: number, length: number): Promise<Buffer> {
    return offset < this.source.size ? await this.source.read(offset, length) : Buffer.alloc(0);
  }

  /** A place, given where something begins and how far behind that: it wraps in 32 bits. */
  sum(start: number, offset: number): number {
    return this.is64 ? start + offset : (start + offset) % 2 ** 32;
  }

  field(structure: Buffer, field: Field): number {
    const [offset, width] = this.is64 ? [field[2], field[3]] : [field[0], field[1]];
    return this.number(structure, offset, width);
  }

  /** An unsigned number; infinity above 2^53. Throws `elf-damaged`. */
  number(bytes: Buffer, offset: number, width: number): number {
    if (offset + width > bytes.length) {
      throw damaged('a structure is cut off');
    }
    if (width <= 4) {
      return this.#bigEndian ? bytes.readUIntBE(offset, width) : bytes.readUIntLE(offset, width);
    }
    const value = this.#bigEndian ? bytes.readBigUInt64BE(offset) : bytes.readBigUInt64LE(offset);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      return Number.POSITIVE_INFINITY;
    }
    return Number(value);
  }
}

/** Throws `elf-damaged` with the reason. */
export function damaged(why: string): AppError {
  return new AppError('elf-damaged', `The ELF file is damaged: ${why}.`, { details: { why } });
}
