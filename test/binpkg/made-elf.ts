/** What a made ELF file says. */
export interface ElfForm {
  readonly is64?: boolean;
  readonly bigEndian?: boolean;
  readonly type?: number;
  readonly machine?: number;
  readonly flags?: number;
  readonly soname?: string;
  readonly needed?: readonly string[];
  /** Several make several DT_RPATH. */
  readonly rpath?: string | readonly string[];
  readonly runpath?: string;
  readonly flags1?: number;
  /** Bits of GNU_PROPERTY_X86_ISA_1_NEEDED. */
  readonly isaBits?: number;
  /** The name of the section with the dynamic strings, `.dynstr` unless told; null for no section headers at all. */
  readonly dynamicStrings?: string | null;
}

/**
 * A small ELF file with program headers, a dynamic section and section headers, as the System V ABI lays it out.
 */
export function makeElf(form: ElfForm = {}): Buffer {
  const { is64 = true, bigEndian = false } = form;
  const writer = new Writer(is64, bigEndian);
  const { tags, strings } = dynamicOf(form);
  const note = writer.note(form.isaBits ?? 0);
  const dynamicAt = writer.headerBytes + SEGMENTS * writer.segmentBytes;
  const dynamicSize = (tags.length + 3) * (is64 ? 16 : 8);
  const stringsAt = dynamicAt + dynamicSize;
  const noteAt = Math.ceil((stringsAt + strings.length) / 8) * 8;
  const all = [...tags, [5, BASE + stringsAt], [10, strings.length], [0, 0]];
  const namesAt = noteAt + note.length;
  const names = Buffer.from(`\0${form.dynamicStrings ?? '.dynstr'}\0.shstrtab\0`);
  const sectionsAt = Math.ceil((namesAt + names.length) / 8) * 8;
  const sections = [
    writer.section(0, 0, { offset: 0, size: 0 }),
    writer.section(1, STRTAB, { offset: stringsAt, size: strings.length }),
    writer.section(names.lastIndexOf('.'), STRTAB, { offset: namesAt, size: names.length }),
  ];
  const sectionHeaders = [names, Buffer.alloc(sectionsAt - namesAt - names.length), ...sections];
  const hasSections = form.dynamicStrings !== null;
  return Buffer.concat([
    writer.header(form, hasSections ? sectionsAt : 0),
    writer.segment(1, 0, { vaddr: BASE, size: noteAt + note.length }),
    writer.segment(2, dynamicAt, { vaddr: BASE + dynamicAt, size: dynamicSize }),
    writer.segment(0x6474e553, noteAt, { vaddr: BASE + noteAt, size: note.length }),
    ...all.flat().map((value) => writer.word(value)),
    strings,
    Buffer.alloc(noteAt - stringsAt - strings.length),
    note,
    ...(hasSections ? sectionHeaders : []),
  ]);
}

const BASE = 0x400000;
const SEGMENTS = 3;
const SECTIONS = 3;
/** SHT_STRTAB. */
const STRTAB = 3;

function dynamicOf(form: ElfForm): {
  readonly tags: readonly (readonly [number, number])[];
  readonly strings: Buffer;
} {
  const named: (readonly [number, string | undefined])[] = [
    ...(form.needed ?? []).map((name) => [1, name] as const),
    [14, form.soname],
    ...[form.rpath].flat().map((folder) => [15, folder] as const),
    [29, form.runpath],
  ];
  const tags: [number, number][] = [];
  let strings = '\0';
  for (const [tag, value] of named) {
    if (value !== undefined) {
      tags.push([tag, strings.length]);
      strings += `${value}\0`;
    }
  }
  if (form.flags1 !== undefined) {
    tags.push([0x6ffffffb, form.flags1]);
  }
  return { tags, strings: Buffer.from(strings) };
}

class Writer {
  readonly #is64: boolean;
  readonly #bigEndian: boolean;

  constructor(is64: boolean, bigEndian: boolean) {
    this.#is64 = is64;
    this.#bigEndian = bigEndian;
  }

  number(value: number, width: 2 | 4): Buffer {
    const bytes = Buffer.alloc(width);
    if (this.#bigEndian) {
      bytes.writeUIntBE(value, 0, width);
    } else {
      bytes.writeUIntLE(value, 0, width);
    }
    return bytes;
  }

  word(value: number): Buffer {
    if (!this.#is64) {
      return this.number(value, 4);
    }
    const halves = [this.number(0, 4), this.number(value, 4)];
    return Buffer.concat(this.#bigEndian ? halves : halves.toReversed());
  }

  get headerBytes(): number {
    return this.#is64 ? 64 : 52;
  }

  get segmentBytes(): number {
    return this.#is64 ? 56 : 32;
  }

  header(form: ElfForm, sectionsAt: number): Buffer {
    return Buffer.concat([
      Buffer.from([0x7f, 0x45, 0x4c, 0x46, this.#is64 ? 2 : 1, this.#bigEndian ? 2 : 1, 1]),
      Buffer.alloc(9),
      this.number(form.type ?? 3, 2),
      this.number(form.machine ?? 62, 2),
      this.number(1, 4),
      this.word(0),
      this.word(this.headerBytes),
      this.word(sectionsAt),
      this.number(form.flags ?? 0, 4),
      this.number(this.headerBytes, 2),
      this.number(this.segmentBytes, 2),
      this.number(SEGMENTS, 2),
      this.number(this.#is64 ? 64 : 40, 2),
      this.number(sectionsAt === 0 ? 0 : SECTIONS, 2),
      this.number(sectionsAt === 0 ? 0 : SECTIONS - 1, 2),
    ]);
  }

  section(
    name: number,
    type: number,
    { offset, size }: { readonly offset: number; readonly size: number },
  ): Buffer {
    const none = this.word(0);
    return Buffer.concat([
      this.number(name, 4),
      this.number(type, 4),
      none,
      none,
      this.word(offset),
      this.word(size),
      this.number(0, 4),
      this.number(0, 4),
      this.word(1),
      none,
    ]);
  }

  segment(
    type: number,
    offset: number,
    place: { readonly vaddr: number; readonly size: number },
  ): Buffer {
    const { vaddr, size } = place;
    const words = [offset, vaddr, vaddr, size, size].map((value) => this.word(value));
    const flags = this.number(4, 4);
    const align = this.word(8);
    return Buffer.concat(
      this.#is64
        ? [this.number(type, 4), flags, ...words, align]
        : [this.number(type, 4), ...words, flags, align],
    );
  }

  note(isaBits: number): Buffer {
    const property = [this.number(0xc0008002, 4), this.number(4, 4), this.number(isaBits, 4)];
    const padding = Buffer.alloc(this.#is64 ? 4 : 0);
    const body = Buffer.concat([...property, padding]);
    return Buffer.concat([
      this.number(4, 4),
      this.number(body.length, 4),
      this.number(5, 4),
      Buffer.from('GNU\0'),
      body,
    ]);
  }
}
