import { phaseBegunBy, phaseNotedBy } from './build-phase.ts';
import {
  type ErrorRank,
  goesOn,
  isException,
  isIgnored,
  isTraceback,
  rankOf,
} from './error-lines.ts';

/** Where in its log a build has failed, and what was wrong. */
export interface BuildFailure {
  /** Portage's name of the phase, such as `compile`; null when the log names none. */
  readonly phase: string | null;
  /** The line that names the first real error, plain text, cut to 500 characters. */
  readonly text: string;
  /** Its number, from 1 on. */
  readonly line: number;
  /** Where it begins, in bytes. */
  readonly offset: number;
}

interface Candidate {
  readonly worth: number;
  readonly text: string;
  readonly line: number;
  readonly offset: number;
}

const MAXIMUM_TEXT = 500;
/** `die` of Portage (`bin/isolated-functions.sh`): the phase, and on the next line the ebuild's words. */
const DIED = /^\s*\* ERROR: \S+ failed(?: \((\w+) phase\))?:$/;
const ELOG = /^\s*\*\s+(\S.*)$/;
/** Words of `die` that say no more than that something failed. */
const EMPTY_WORDS = /^[\w ./=:'"-]*failed[.!]?$|^\(no error message\)$/i;
const WORTH: Readonly<Record<ErrorRank | 'words' | 'empty-words', number>> = {
  machine: 6,
  cause: 5,
  words: 4,
  hint: 3,
  summary: 2,
  'empty-words': 1,
};

/**
 * Finds the first real error of a build in its log, line by line, without keeping the log. What was said in a phase
 * that came to its end is forgotten: the build went on after it. Among the rest the machine's own faults come first,
 * then what a program names as its error, then the words of the ebuild's `die`; the first of its kind wins, because
 * what comes later is mostly what followed from it.
 */
export class FailureFinder {
  #phase: string | null = null;
  #best: Candidate | undefined;
  /** The best before the last command of make that has ended one way or another. */
  #before: Candidate | undefined;
  #isTraceback = false;
  #isOpen = false;
  #isDead: 'no' | 'words-follow' | 'yes' = 'no';

  /** Takes the next line, which is plain text. */
  take(line: string, place: { readonly line: number; readonly offset: number }): void {
    const phase = phaseBegunBy(line);
    if (phase !== undefined) {
      this.#begin(phase);
      return;
    }
    if (this.#isDead === 'yes') {
      return;
    }
    const noted = phaseNotedBy(line, this.#phase);
    if (noted !== undefined) {
      this.#phase = noted;
      return;
    }
    if (this.#isDead === 'words-follow') {
      this.#takeWords(line, place);
      return;
    }
    const died = DIED.exec(line);
    if (died !== null) {
      this.#phase = died[1] ?? this.#phase;
      this.#isDead = 'words-follow';
      return;
    }
    this.#goOn(line);
    this.#judge(line, place);
  }

  /** What there is to say about a build that has failed; undefined when its log names no error. */
  get failure(): BuildFailure | undefined {
    if (this.#best === undefined) {
      return undefined;
    }
    const { text, line, offset } = this.#best;
    return { phase: this.#phase, text: text.slice(0, MAXIMUM_TEXT), line, offset };
  }

  #begin(phase: string): void {
    if (phase === 'setup' || this.#isDead === 'no') {
      if (phase !== this.#phase) {
        this.#best = undefined;
        this.#before = undefined;
      }
      this.#phase = phase;
      this.#isDead = 'no';
    }
    this.#isTraceback = false;
    this.#isOpen = false;
  }

  #takeWords(line: string, place: { readonly line: number; readonly offset: number }): void {
    this.#isDead = 'yes';
    const words = ELOG.exec(line)?.[1];
    if (words !== undefined) {
      this.#offer(words, EMPTY_WORDS.test(words) ? 'empty-words' : 'words', place);
    }
  }

  /** A message that was begun on the line before. */
  #goOn(line: string): void {
    const text = line.trim();
    if (this.#isOpen && text !== '' && this.#best !== undefined) {
      this.#best = { ...this.#best, text: `${this.#best.text} ${text}` };
      this.#isOpen = false;
    }
  }

  #judge(line: string, place: { readonly line: number; readonly offset: number }): void {
    if (isIgnored(line)) {
      this.#best = this.#before;
      return;
    }
    if (isTraceback(line)) {
      this.#isTraceback = true;
      return;
    }
    if (this.#isTraceback && isException(line)) {
      this.#isTraceback = false;
      this.#offer(line.trim(), 'cause', place);
      return;
    }
    const rank = rankOf(line);
    if (rank !== undefined) {
      this.#isOpen = this.#offer(line.trim(), rank, place) && goesOn(line);
      if (rank === 'summary') {
        this.#before = this.#best;
      }
    }
  }

  #offer(
    text: string,
    rank: keyof typeof WORTH,
    place: { readonly line: number; readonly offset: number },
  ): boolean {
    const worth = WORTH[rank];
    if (this.#best !== undefined && this.#best.worth >= worth) {
      return false;
    }
    this.#best = { worth, text, line: place.line, offset: place.offset };
    return true;
  }
}
