import { isAppError } from '../../support/errors.ts';
import { memorySource } from '../byte-source.ts';
import type { EntryVisitor } from '../gpkg/image-archive.ts';
import { isElf, readIsaLevel } from './elf-file.ts';
import type { X86IsaLevel } from './gnu-property.ts';

/** What the ELF files of an image ask of an x86 CPU. */
export interface ImageLevel {
  readonly elfFiles: number;
  /** The highest level that a file demands; undefined when none says so. */
  readonly level: X86IsaLevel | undefined;
  /** The files that demand it. */
  readonly files: readonly string[];
}

const HEAD_BYTES = 64 * 1024;
const MOST_FILES = 100;

/**
 * Looks at the ELF files of an image as it is walked, but for those in `glibc-hwcaps`, which the loader takes only where
 * the processor has their level. Headers and notes are sought in the first 64 KiB, where linkers
 * put them; a file that has them elsewhere, or is damaged, counts as demanding nothing. Of what it is shown it keeps
 * nothing.
 */
export class ImageLevelScan {
  #elfFiles = 0;
  #level: X86IsaLevel | undefined;
  #files: string[] = [];

  readonly visit: EntryVisitor = async (entry, content) => {
    if (entry.type !== 'file') {
      return;
    }
    const head = await headOf(content);
    if (isElf(head)) {
      this.#elfFiles += 1;
      this.#note(entry.path, isHwcaps(entry.path) ? undefined : await levelOf(head));
    }
  };

  result(): ImageLevel {
    return { elfFiles: this.#elfFiles, level: this.#level, files: this.#files };
  }

  #note(path: string, level: X86IsaLevel | undefined): void {
    if (level === undefined || level < (this.#level ?? 0)) {
      return;
    }
    if (level !== this.#level) {
      this.#level = level;
      this.#files = [];
    }
    if (this.#files.length < MOST_FILES) {
      this.#files.push(path);
    }
  }
}

function isHwcaps(path: string): boolean {
  return path.split('/').includes('glibc-hwcaps');
}

async function headOf(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of content) {
    const isFirst = pieces.length === 0;
    pieces.push(Buffer.from(piece.subarray(0, HEAD_BYTES - bytes)));
    bytes += piece.length;
    if (bytes >= HEAD_BYTES || (isFirst && piece.length >= 4 && !isElf(piece))) {
      break;
    }
  }
  return Buffer.concat(pieces);
}

async function levelOf(head: Buffer): Promise<X86IsaLevel | undefined> {
  try {
    return await readIsaLevel(memorySource(head));
  } catch (error) {
    if (isAppError(error, 'elf-damaged')) {
      return undefined;
    }
    throw error;
  }
}
