import { AppError } from '../support/errors.ts';

/** EAPIs that PMS defines, and that this code knows. */
export const EAPIS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;
export type Eapi = (typeof EAPIS)[number];

/** What dependencies may contain in an EAPI (PMS 8.2, 8.3). */
export interface EapiRules {
  readonly slots: boolean;
  /** Sub-slots, `:=` and `:*`. */
  readonly slotOperators: boolean;
  readonly use: boolean;
  readonly useDefaults: boolean;
  readonly strongBlocks: boolean;
  /** Whether `|| ( )`, once its conditionals are gone, counts as satisfied. */
  readonly emptyAnyOfHolds: boolean;
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
    slots: number >= 1,
    slotOperators: number >= 5,
    use: number >= 2,
    useDefaults: number >= 4,
    strongBlocks: number >= 2,
    emptyAnyOfHolds: number <= 6,
  };
}
