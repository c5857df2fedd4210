import { isUtf8 } from 'node:buffer';
import type { ByteSource } from '../byte-source.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import { DYN, damaged, EHDR, ElfReader, PHDR } from './elf-reader.ts';
import { type X86IsaLevel, x86IsaLevel } from './gnu-property.ts';

export type ElfLimits = Pick<PackageLimits, 'elfEntries' | 'elfStringBytes'>;

/** What a package's metadata needs to know of an ELF file. */
export interface ElfFile {
  readonly is64: boolean;
  readonly bigEndian: boolean;
  /** e_type: 1 relocatable, 2 executable, 3 shared, 4 core. */
  readonly type: number;
  readonly machine: number;
  readonly flags: number;
  /** DT_SONAME of a shared object; undefined when it has none. */
  readonly soname: string | undefined;
  /** DT_NEEDED in the order of the file. */
  readonly needed: readonly string[];
  readonly rpath: string | undefined;
  readonly runpath: string | undefined;
  /** Whether DT_FLAGS_1 says that this is a position-independent executable; undefined without a dynamic section. */
  readonly pie: boolean | undefined;
  /** What .note.gnu.property says an x86 CPU must have at least. */
  readonly isaLevel: X86IsaLevel | undefined;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly size: number;
}

const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const ET_DYN = 3;
const PT = { load: 1, dynamic: 2, note: 4, gnuProperty: 0x6474e553 } as const;
const DT = {
  null: 0,
  needed: 1,
  strtab: 5,
  strsz: 10,
  soname: 14,
  rpath: 15,
  runpath: 29,
  flags1: 0x6ffffffb,
} as const;
const NOTE_BYTES = 64 * 1024;
const DF_1_PIE = 0x08000000;

/**
 * Reads an ELF file of either width and byte order; undefined for what is none. Works from the program headers,
 * so stripped section headers do not matter.
 *
 * Throws `elf-damaged` when an offset, a count or a string does not fit the file or the limits.
 */
export async function readElf(
  source: ByteSource,
  limits: ElfLimits = DEFAULT_LIMITS,
): Promise<ElfFile | undefined> {
  const opened = await openElf(source);
  if (opened === undefined) {
    return undefined;
  }
  const { form, reader, header } = opened;
  const type = reader.field(header, EHDR.type);
  const segments = await readSegments(reader, header, limits);
  const { soname, ...dynamic } = await readDynamic(reader, segments, limits);
  return {
    ...form,
    type,
    machine: reader.field(header, EHDR.machine),
    flags: reader.field(header, EHDR.flags),
    soname: type === ET_DYN ? soname : undefined,
    ...dynamic,
    isaLevel: await isaLevel(reader, segments),
  };
}

/**
 * The x86 level that an ELF file demands. Only headers and notes are read, so a source of its first bytes will do;
 * undefined for what is no ELF file, and where the notes say nothing.
 *
 * Throws `elf-damaged`, also when the notes lie beyond the source.
 */
export async function readIsaLevel(
  source: ByteSource,
  limits: ElfLimits = DEFAULT_LIMITS,
): Promise<X86IsaLevel | undefined> {
  const opened = await openElf(source);
  if (opened === undefined) {
    return undefined;
  }
  const { reader, header } = opened;
  return await isaLevel(reader, await readSegments(reader, header, limits));
}

/** Whether bytes begin as an ELF file does. */
export function isElf(head: Buffer): boolean {
  return head.subarray(0, MAGIC.length).equals(MAGIC);
}

async function openElf(source: ByteSource): Promise<
  | {
      readonly form: Pick<ElfFile, 'is64' | 'bigEndian'>;
      readonly reader: ElfReader;
      readonly header: Buffer;
    }
  | undefined
> {
  const ident = await source.read(0, 16);
  const [width, order] = ident.subarray(4, 6);
  const known = (width === 1 || width === 2) && (order === 1 || order === 2);
  if (ident.length < 16 || !isElf(ident) || !known) {
    return undefined;
  }
  const form = { is64: width === 2, bigEndian: order === 2 };
  const reader = new ElfReader(source, form);
  return { form, reader, header: await reader.bytes(0, reader.sizeOf(EHDR), 'header') };
}

async function readSegments(
  reader: ElfReader,
  header: Buffer,
  limits: ElfLimits,
): Promise<Segment[]> {
  const count = reader.field(header, EHDR.phnum);
  const size = reader.field(header, EHDR.phentsize);
  if (count === 0) {
    return [];
  }
  if (count > limits.elfEntries || size < reader.sizeOf(PHDR)) {
    throw damaged(`it says it has ${count} program headers of ${size} bytes`);
  }
  const offset = reader.field(header, EHDR.phoff);
  const table = await reader.bytes(offset, count * size, 'program header table');
  return Array.from({ length: count }, (_, index) => {
    const entry = table.subarray(index * size, (index + 1) * size);
    return {
      type: reader.field(entry, PHDR.type),
      offset: reader.field(entry, PHDR.offset),
      vaddr: reader.field(entry, PHDR.vaddr),
      size: reader.field(entry, PHDR.filesz),
    };
  });
}

type Dynamic = Pick<ElfFile, 'soname' | 'needed' | 'rpath' | 'runpath' | 'pie'>;

async function readDynamic(
  reader: ElfReader,
  segments: readonly Segment[],
  limits: ElfLimits,
): Promise<Dynamic> {
  const tags = await readTags(reader, segments, limits);
  const strings = new StringTable(reader, stringsPlace(tags, segments), limits.elfStringBytes);
  const first = async (tag: number): Promise<string | undefined> => {
    const offset = tags.get(tag)?.[0];
    return offset === undefined ? undefined : await strings.at(offset);
  };
  const needed: string[] = [];
  for (const offset of tags.get(DT.needed) ?? []) {
    needed.push(await strings.at(offset));
  }
  const flags = tags.get(DT.flags1)?.[0] ?? 0;
  const isDynamic = segments.some(({ type }) => type === PT.dynamic);
  return {
    soname: await first(DT.soname),
    needed,
    rpath: await first(DT.rpath),
    runpath: await first(DT.runpath),
    pie: isDynamic ? Math.floor(flags / DF_1_PIE) % 2 === 1 : undefined,
  };
}

async function readTags(
  reader: ElfReader,
  segments: readonly Segment[],
  limits: ElfLimits,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const tags = new Map<number, number[]>();
  const segment = segments.find(({ type }) => type === PT.dynamic);
  if (segment === undefined || segment.size === 0) {
    return tags;
  }
  const size = reader.sizeOf(DYN);
  const count = Math.floor(segment.size / size);
  if (count > limits.elfEntries) {
    throw damaged(`it says it has ${count} dynamic entries`);
  }
  const table = await reader.bytes(segment.offset, count * size, 'dynamic section');
  for (let index = 0; index < count; index += 1) {
    const entry = table.subarray(index * size, (index + 1) * size);
    const tag = reader.field(entry, DYN.tag);
    if (tag === DT.null) {
      break;
    }
    tags.set(tag, [...(tags.get(tag) ?? []), reader.field(entry, DYN.value)]);
  }
  return tags;
}

/** Where the dynamic strings lie in the file: DT_STRTAB is an address, so the segment loaded there tells. */
function stringsPlace(
  tags: ReadonlyMap<number, readonly number[]>,
  segments: readonly Segment[],
): { readonly offset: number; readonly size: number } {
  const address = tags.get(DT.strtab)?.[0];
  const size = tags.get(DT.strsz)?.[0];
  if (address === undefined || size === undefined) {
    return { offset: 0, size: 0 };
  }
  const segment = segments.find(
    ({ type, vaddr, size: bytes }) =>
      type === PT.load && address >= vaddr && address < vaddr + bytes,
  );
  return segment === undefined
    ? { offset: 0, size: 0 }
    : { offset: segment.offset + (address - segment.vaddr), size };
}

class StringTable {
  readonly #reader: ElfReader;
  readonly #place: { readonly offset: number; readonly size: number };
  readonly #most: number;

  constructor(
    reader: ElfReader,
    place: { readonly offset: number; readonly size: number },
    most: number,
  ) {
    this.#reader = reader;
    this.#place = place;
    this.#most = most;
  }

  async at(offset: number): Promise<string> {
    const { offset: start, size } = this.#place;
    if (!(offset < size)) {
      throw damaged(`a string lies at ${offset} of ${size} bytes`);
    }
    const bytes = await this.#reader.source.read(
      start + offset,
      Math.min(size - offset, this.#most + 1),
    );
    const end = bytes.indexOf(0);
    const text = bytes.subarray(0, end);
    if (end === -1 || !isUtf8(text)) {
      throw damaged(`the string at ${offset} has no end, is too long, or is not UTF-8`);
    }
    return text.toString('utf8');
  }
}

async function isaLevel(
  reader: ElfReader,
  segments: readonly Segment[],
): Promise<X86IsaLevel | undefined> {
  const notes = segments.filter(({ type }) => type === PT.gnuProperty || type === PT.note);
  for (const { offset, size } of notes) {
    if (size > NOTE_BYTES) {
      continue;
    }
    const bytes = await reader.bytes(offset, size, 'note');
    const level = x86IsaLevel(reader, bytes);
    if (level !== undefined) {
      return level;
    }
  }
  return undefined;
}
