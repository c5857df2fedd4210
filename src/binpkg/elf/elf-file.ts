import type { ByteSource } from '../byte-source.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import { findDynamicStrings, StringTable } from './dynamic-strings.ts';
import { readDynamicTags } from './dynamic-tags.ts';
import { damaged, EHDR, ElfReader, PHDR } from './elf-reader.ts';
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

export interface Segment {
  readonly type: number;
  readonly offset: number;
  /** Where it is in memory. */
  readonly address: number;
  readonly size: number;
}

const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const ET_DYN = 3;
export const PT = { load: 1, dynamic: 2, note: 4, gnuProperty: 0x6474e553 } as const;
const DT = {
  needed: 1,
  soname: 14,
  rpath: 15,
  runpath: 29,
  flags1: 0x6ffffffb,
} as const;
/** EM_386 and EM_X86_64. */
const X86: ReadonlySet<number> = new Set([3, 62]);
/** As many program headers as file(1) looks at, which Portage asks about damaged files too. */
const MOST_LOOKED_AT = 2048;
const NOTE_BYTES = 64 * 1024;
const DF_1_PIE = 0x08000000;

/**
 * Reads an ELF file of either width and byte order; undefined for what is none. Names are looked up as scanelf does, in
 * the section `.dynstr`: a file without section headers has none, and a name beyond the end of the file is passed over.
 *
 * Throws `elf-damaged` when a table or a string does not fit the file or the limits.
 */
export async function readElf(
  source: ByteSource,
  limits: ElfLimits = DEFAULT_LIMITS,
): Promise<ElfFile | undefined> {
  const opened = await openElf(source);
  if (opened === undefined) {
    return undefined;
  }
  const { reader, header } = opened;
  const bare = bareElf(opened);
  const segments = await readSegments(reader, header, limits);
  const { soname, ...dynamic } = await readDynamic(opened, segments, limits);
  return {
    ...bare,
    soname: bare.type === ET_DYN ? soname : undefined,
    ...dynamic,
    isaLevel: await isaLevel(opened, segments),
  };
}

/** What the header alone says, for a file that is damaged behind it. A dynamic section, if there is one, is no PIE's. */
export async function readElfHeader(source: ByteSource): Promise<ElfFile | undefined> {
  const opened = await openElf(source);
  return (
    opened && { ...bareElf(opened), pie: (await hasDynamicSegment(opened)) ? false : undefined }
  );
}

async function hasDynamicSegment({ reader, header }: OpenElf): Promise<boolean> {
  const size = reader.sizeOf(PHDR);
  const count = reader.field(header, EHDR.phnum);
  if (reader.field(header, EHDR.phentsize) !== size || count > MOST_LOOKED_AT) {
    return false;
  }
  const table = await reader.upTo(reader.field(header, EHDR.phoff), count * size);
  const whole = Math.floor(table.length / size);
  return Array.from({ length: whole }, (_, at) =>
    reader.field(table.subarray(at * size, (at + 1) * size), PHDR.type),
  ).includes(PT.dynamic);
}

function bareElf({ form, reader, header }: OpenElf): ElfFile {
  return {
    ...form,
    type: reader.field(header, EHDR.type),
    machine: reader.field(header, EHDR.machine),
    flags: reader.field(header, EHDR.flags),
    soname: undefined,
    needed: [],
    rpath: undefined,
    runpath: undefined,
    pie: undefined,
    isaLevel: undefined,
  };
}

/**
 * The x86 level that an ELF file demands. Only headers and notes are read, so a source of its first bytes will do;
 * undefined for what is no ELF file for x86, and where the notes say nothing or lie beyond the source.
 *
 * Throws `elf-damaged`.
 */
export async function readIsaLevel(
  source: ByteSource,
  limits: ElfLimits = DEFAULT_LIMITS,
): Promise<X86IsaLevel | undefined> {
  const opened = await openElf(source);
  if (opened === undefined) {
    return undefined;
  }
  return await isaLevel(opened, await readSegments(opened.reader, opened.header, limits));
}

/** Whether bytes begin as an ELF file does. */
export function isElf(head: Buffer): boolean {
  return head.subarray(0, MAGIC.length).equals(MAGIC);
}

export interface OpenElf {
  readonly form: Pick<ElfFile, 'is64' | 'bigEndian'>;
  readonly reader: ElfReader;
  readonly header: Buffer;
}

/** Undefined too where the header is not whole, or of another version than 1. */
export async function openElf(source: ByteSource): Promise<OpenElf | undefined> {
  const header = await source.read(0, EHDR.bytes[2]);
  const [width, order, version] = header.subarray(4, 7);
  const known = (width === 1 || width === 2) && (order === 1 || order === 2) && version === 1;
  if (!isElf(header) || !known) {
    return undefined;
  }
  const form = { is64: width === 2, bigEndian: order === 2 };
  const reader = new ElfReader(source, form);
  return header.length < reader.sizeOf(EHDR) ? undefined : { form, reader, header };
}

/** The program headers. Throws `elf-damaged`. */
export async function readSegments(
  reader: ElfReader,
  header: Buffer,
  limits: ElfLimits,
): Promise<Segment[]> {
  const count = reader.field(header, EHDR.phnum);
  const size = reader.field(header, EHDR.phentsize);
  if (count === 0) {
    return [];
  }
  if (count > limits.elfEntries || size !== reader.sizeOf(PHDR)) {
    throw damaged(`it says it has ${count} program headers of ${size} bytes`);
  }
  const offset = reader.field(header, EHDR.phoff);
  const table = await reader.bytes(offset, count * size, 'program header table');
  return Array.from({ length: count }, (_, index) => {
    const entry = table.subarray(index * size, (index + 1) * size);
    return {
      type: reader.field(entry, PHDR.type),
      offset: reader.field(entry, PHDR.offset),
      address: reader.field(entry, PHDR.vaddr),
      size: reader.field(entry, PHDR.filesz),
    };
  });
}

type Dynamic = Pick<ElfFile, 'soname' | 'needed' | 'rpath' | 'runpath' | 'pie'>;

async function readDynamic(
  { reader, header }: OpenElf,
  segments: readonly Segment[],
  limits: ElfLimits,
): Promise<Dynamic> {
  const segment = segments.find(({ type }) => type === PT.dynamic);
  const start = segment === undefined || segment.size === 0 ? reader.source.size : segment.offset;
  const tags = await readDynamicTags(reader, start, limits);
  const strings = new StringTable(reader, await findDynamicStrings(reader, header), limits);
  const namesOf = async (tag: number): Promise<string[]> => await strings.all(tags.get(tag) ?? []);
  const flags = tags.get(DT.flags1)?.[0] ?? 0;
  return {
    soname: (await namesOf(DT.soname))[0],
    needed: await namesOf(DT.needed),
    rpath: (await namesOf(DT.rpath)).at(-1),
    runpath: (await namesOf(DT.runpath)).at(-1),
    pie: segment === undefined ? undefined : Math.floor(flags / DF_1_PIE) % 2 === 1,
  };
}

/** Notes that are not within the source say nothing. */
async function isaLevel(
  { reader, header }: OpenElf,
  segments: readonly Segment[],
): Promise<X86IsaLevel | undefined> {
  if (!X86.has(reader.field(header, EHDR.machine))) {
    return undefined;
  }
  const notes = segments.filter(({ type }) => type === PT.gnuProperty || type === PT.note);
  for (const { offset, size } of notes) {
    if (size > NOTE_BYTES || !(offset + size <= reader.source.size)) {
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
