import { AppError } from '../support/errors.ts';

/** EAPIs that PMS defines, and that this code knows. */
export const EAPIS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;
export type Eapi = (typeof EAPIS)[number];

/** What dependencies, SLOT and IUSE may contain in an EAPI (PMS 7.2, 7.3, 8.2, 8.3). */
export interface EapiRules {
  /** `+` and `-` before words of IUSE. */
  readonly iuseDefaults: boolean;
  readonly slots: boolean;
  /** Sub-slots, `:=` and `:*`. */
  readonly slotOperators: boolean;
  readonly use: boolean;
  readonly useDefaults: boolean;
  readonly strongBlocks: boolean;
  /** Whether `|| ( )`, once its conditionals are gone, counts as satisfied. */
  readonly emptyAnyOfHolds: boolean;
}

/** As `rulesOf`, but undefined for what is not known: Portage then allows whatever any EAPI does. */
export function knownRulesOf(eapi: string): EapiRules | undefined {
  return EAPIS.some((known) => known === eapi) ? rulesOf(eapi) : undefined;
}

/** Throws `unknown-eapi`. */
export function rulesOf(eapi: string): EapiRules {
  const number = EAPIS.findIndex((known) => known === eapi);
  if (number < 0) {
    throw new AppError('unknown-eapi', `"${eapi}" is not an EAPI from 0 to 9.`, {
      details: { eapi },
    });
  }
  return {
    iuseDefaults: number >= 1,
    slots: number >= 1,
    slotOperators: number >= 5,
    use: number >= 2,
    useDefaults: number >= 4,
    strongBlocks: number >= 2,
    emptyAnyOfHolds: number <= 6,
  };
}
