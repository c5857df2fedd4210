import * as z from 'zod';
import { type FindingView, findingSchema } from '../protocol/gate.ts';
import { isAppError } from '../support/errors.ts';
import type { Output } from './output.ts';

const COLORS = { refused: 'red', warning: 'yellow', allowed: 'dim' } as const;

/** What the gate has found, a paragraph each: id, what is wrong, what would mend it. */
export function showFindings(
  {
    findings,
    rebuild,
  }: { readonly findings: readonly FindingView[]; readonly rebuild: readonly string[] },
  line: (text: string) => void,
  paint: Output['paint'],
): void {
  for (const { id, verdict, message, remedy, allowance } of findings) {
    line(`${paint(COLORS[verdict], verdict)}  ${paint('bold', id)}`);
    line(`  ${message}`);
    line(
      allowance === null ? `  ${remedy}` : `  Allowed by ${allowance.author}: ${allowance.reason}`,
    );
  }
  if (rebuild.length > 0) {
    line(`To be rebuilt: ${rebuild.join(' ')}`);
  }
}

const detailsSchema = z.object({
  findings: z.array(findingSchema),
  rebuild: z.array(z.string()),
});

/** What a refusal of the gate has in its details; nothing for any other error. */
export function refusalIn(
  error: unknown,
): { readonly findings: readonly FindingView[]; readonly rebuild: readonly string[] } | undefined {
  return isAppError(error, 'publication-refused')
    ? detailsSchema.safeParse(error.details).data
    : undefined;
}
