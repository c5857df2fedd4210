import { messageOf } from '../support/errors.ts';
import { parseAtom } from './atom.ts';
import { isUseFlag } from './use-dependency.ts';

/** What may stand behind the atom of a line. */
interface LineRule {
  /** Without words Portage passes over the line in silence. */
  readonly words: 'needed' | 'allowed' | 'none';
  readonly isWord: (word: string) => boolean;
  readonly rule: string;
}

const KEYWORD = /^(?:-?\*|~\*|\*\*|[-~]?[A-Za-z0-9_][A-Za-z0-9_-]*)$/;
const LICENSE = /^-?(?:\*|@?[A-Za-z0-9_][A-Za-z0-9+_.-]*)$/;
const TOKEN = /^-?(?:\*|[A-Za-z0-9_][A-Za-z0-9+_.-]*)$/;
const FILE_NAME = /^[A-Za-z0-9_+-][\w+.-]*(?:\/[A-Za-z0-9_+-][\w+.-]*)*$/;
/** `PYTHON_TARGETS:`: what follows are values of that variable. */
const USE_EXPAND = /^[A-Z][A-Z0-9_]*:$/;
const NO_WORDS: LineRule = { words: 'none', isWord: () => false, rule: '' };
const KEYWORDS: LineRule = {
  words: 'allowed',
  isWord: (word) => KEYWORD.test(word),
  rule: 'a keyword',
};
const FILES: LineRule = {
  words: 'needed',
  isWord: (word) => FILE_NAME.test(word),
  rule: 'the name of a file',
};
const TOKENS: LineRule = { words: 'needed', isWord: (word) => TOKEN.test(word), rule: 'a word' };

/** Files, or folders of files, below /etc/portage that have an atom on each line (portage(5)). */
const RULES: ReadonlyMap<string, LineRule> = new Map([
  [
    'package.use',
    {
      words: 'needed',
      isWord: (word) =>
        word === '-*' || USE_EXPAND.test(word) || isUseFlag(word.replace(/^[-+]/, '')),
      rule: 'a USE flag',
    },
  ],
  ['package.mask', NO_WORDS],
  ['package.unmask', NO_WORDS],
  ['package.accept_keywords', KEYWORDS],
  ['package.keywords', KEYWORDS],
  [
    'package.license',
    { words: 'needed', isWord: (word) => LICENSE.test(word), rule: 'a licence or a @group' },
  ],
  ['package.env', FILES],
  ['package.bashrc', FILES],
  ['package.properties', TOKENS],
  ['package.accept_restrict', TOKENS],
]);

/**
 * What is wrong with a file of /etc/portage, a sentence with the line for each fault. `path` is the one below that folder,
 * and says what the file is; of others than those with an atom on each line nothing is said. A word that begins with `#`
 * begins a comment (`portage/util:grabdict`, `grabfile`).
 */
export function faultsInPortageFile(path: string, text: string, file: string): string[] {
  const rule = RULES.get(path.split('/', 1)[0] ?? '');
  if (rule === undefined) {
    return [];
  }
  return text.split('\n').flatMap((line, index) => {
    const all = line.trim().split(/\s+/);
    const comment = all.findIndex((word) => word.startsWith('#'));
    const [atom = '', ...words] = comment < 0 ? all : all.slice(0, comment);
    const faults = atom === '' ? [] : [faultInAtom(atom, rule), ...faultsInRest(atom, words, rule)];
    return faults
      .filter((fault) => fault !== undefined)
      .map((fault) => `${file}, line ${index + 1}: ${fault}`);
  });
}

function faultInAtom(text: string, { words }: LineRule): string | undefined {
  try {
    const atom = parseAtom(words === 'none' ? text.replace(/^-/, '') : text);
    return atom.blocker === '' ? undefined : `"${text}" cannot stand here: no blockers.`;
  } catch (error) {
    return messageOf(error);
  }
}

function faultsInRest(atom: string, words: readonly string[], rule: LineRule): string[] {
  const [first] = words;
  if (rule.words === 'none') {
    return first === undefined
      ? []
      : [`"${first}" cannot stand behind "${atom}": one atom a line.`];
  }
  if (rule.words === 'needed' && first === undefined) {
    return [`behind "${atom}" ${rule.rule} is missing.`];
  }
  return words.filter((word) => !rule.isWord(word)).map((word) => `"${word}" is not ${rule.rule}.`);
}
