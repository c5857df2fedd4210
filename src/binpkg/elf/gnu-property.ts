import type { ElfReader } from './elf-reader.ts';

/** Levels of the x86-64 psABI, from 1 (baseline) to 4. */
export type X86IsaLevel = 1 | 2 | 3 | 4;

const NT_GNU_PROPERTY_TYPE_0 = 5;
const X86_ISA_1_NEEDED = 0xc0008002;
const LEVELS: readonly X86IsaLevel[] = [4, 3, 2, 1];

/**
 * The highest level in GNU_PROPERTY_X86_ISA_1_NEEDED of a note segment (Linux Extensions to gABI, "Program
 * Property"; x86-64 psABI). Undefined when the note says nothing, or is malformed.
 */
export function x86IsaLevel(reader: ElfReader, notes: Buffer): X86IsaLevel | undefined {
  for (const properties of gnuProperties(reader, notes)) {
    const bits = propertyBits(reader, properties);
    const level = LEVELS.find((candidate) => (bits & (1 << (candidate - 1))) !== 0);
    if (level !== undefined) {
      return level;
    }
  }
  return undefined;
}

function* gnuProperties(reader: ElfReader, notes: Buffer): Generator<Buffer> {
  const align = reader.is64 ? 8 : 4;
  for (let offset = 0; offset + 12 <= notes.length; ) {
    const nameSize = reader.number(notes, offset, 4);
    const size = reader.number(notes, offset + 4, 4);
    const type = reader.number(notes, offset + 8, 4);
    const start = offset + 12 + roundUp(nameSize, 4);
    const isGnu = notes.toString('latin1', offset + 12, offset + 12 + nameSize) === 'GNU\0';
    const isProperty = isGnu && type === NT_GNU_PROPERTY_TYPE_0;
    if (isProperty) {
      yield notes.subarray(start, start + size);
    }
    offset = start + roundUp(size, isProperty ? align : 4);
  }
}

function propertyBits(reader: ElfReader, properties: Buffer): number {
  const align = reader.is64 ? 8 : 4;
  let bits = 0;
  for (let offset = 0; offset + 8 <= properties.length; ) {
    const type = reader.number(properties, offset, 4);
    const size = reader.number(properties, offset + 4, 4);
    if (type === X86_ISA_1_NEEDED && size === 4 && offset + 12 <= properties.length) {
      bits |= reader.number(properties, offset + 8, 4);
    }
    offset += 8 + roundUp(size, align);
  }
  return bits;
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
