import { show } from '../../gentoo/document-faults.ts';

/** What a part of an inventory was read from. */
export interface DocumentPlace {
  readonly file: string;
  /** Gives a key another name, such as the variable that it came from. */
  readonly nameOf?: (path: string) => string | undefined;
}

/** Collects what is wrong with a document, a sentence for each value at fault. */
export class InventoryFaults {
  readonly sentences: string[] = [];
  readonly #place: DocumentPlace;

  constructor(place: DocumentPlace) {
    this.#place = place;
  }

  /** `file: path`, or the name that the place has for it. */
  at(path: string): string {
    return this.#place.nameOf?.(path) ?? `${this.#place.file}: ${path}`;
  }

  /** `rule` is the end of a sentence that begins with `it`. */
  value(path: string, value: unknown, rule: string, hint = ''): void {
    this.#add(`${this.at(path)} = ${show(value)}: it ${rule}.${hint}`);
  }

  missing(path: string, rule: string): void {
    this.#add(`${this.at(path)} is missing: ${rule}.`);
  }

  /** Several members may have what is wrong from one table. */
  #add(sentence: string): void {
    if (!this.sentences.includes(sentence)) {
      this.sentences.push(sentence);
    }
  }
}
