import {
  type ImpactPolicy,
  type PackageRule,
  type ProgramRule,
  USUAL_ORDER,
} from '../../gentoo/impact-policy.ts';
import { PACKAGE_RULES, PROGRAM_RULES } from './rule-table.ts';

const NO_ROWS: ImpactPolicy = { packages: [], programs: [] };

/** The rows of a profile and, behind them, those that Rookery has. Of each kind the first that matches holds. */
export class ImpactRules {
  readonly #packages: readonly Matcher<PackageRule>[];
  readonly #programs: readonly Matcher<ProgramRule>[];
  readonly #ofPackage = new Map<string, PackageRule | null>();
  readonly #ofProgram = new Map<string, ProgramRule>();

  constructor(own: ImpactPolicy = NO_ROWS) {
    this.#packages = [...own.packages, ...PACKAGE_RULES].map(matcher);
    this.#programs = [...own.programs, ...PROGRAM_RULES].map(matcher);
  }

  /** Of `category/pn`; null where no row says anything. */
  ofPackage(name: string): PackageRule | null {
    const known = this.#ofPackage.get(name);
    if (known !== undefined) {
      return known;
    }
    const found = this.#packages.find(({ form }) => form.test(name))?.rule ?? null;
    this.#ofPackage.set(name, found);
    return found;
  }

  /** A php-fpm of a PHP tree serves requests whatever it is called. */
  ofProgram(name: string, tree: string | null): ProgramRule {
    const asked = tree === null ? name : 'php-fpm';
    const known = this.#ofProgram.get(asked);
    if (known !== undefined) {
      return known;
    }
    const found = this.#programs.find(({ form }) => form.test(asked))?.rule ?? OTHER_PROGRAM(asked);
    this.#ofProgram.set(asked, found);
    return found;
  }
}

const OTHER_PROGRAM = (match: string): ProgramRule => ({
  match,
  effect: 'service-restart',
  order: USUAL_ORDER,
  reason: 'it serves no requests',
});

interface Matcher<Rule> {
  readonly form: RegExp;
  readonly rule: Rule;
}

function matcher<Rule extends { readonly match: string }>(rule: Rule): Matcher<Rule> {
  const parts = rule.match.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return { form: new RegExp(`^${parts.join('[^/]*')}$`), rule };
}
