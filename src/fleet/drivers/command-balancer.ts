import * as z from 'zod';
import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import { run, toolEnvironment } from '../../support/processes.ts';
import type { Balancer, CommandBalancer, Site } from '../inventory/inventory.ts';
import type { BalancerChange, BalancerDriver, BalancerReading } from './ports.ts';

const adminState = z.enum(['ready', 'drain', 'maint']);
const readingSchema = z.object({
  incarnation: z.string().min(1),
  servers: z.array(
    z.object({
      server: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('member'), node: z.string() }),
        z.object({ kind: z.literal('farm'), farm: z.string(), backend: z.enum(['blue', 'green']) }),
      ]),
      to: adminState,
      isUp: z.boolean(),
      inFlight: z.number().int().min(0).nullable(),
    }),
  ),
});

/** What a program ends with that understood the question and will not do it. */
const REFUSED = 3;

/**
 * Any balancer, through a program of the administrators. It is started as `COMMAND... set` with `{"site","balancer","changes"}` as
 * JSON on standard input, or as `COMMAND... read` with `{"site","balancer"}`, and answers `read` with a `BalancerReading` as JSON.
 * Exit status 0: done; 3: it will not, and the last line of its standard error says why; anything else: nobody knows.
 */
export class CommandBalancerDriver implements BalancerDriver {
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  async set(site: Site, balancer: Balancer, changes: readonly BalancerChange[]): Promise<void> {
    await this.#call(site, balancer, 'set', { changes });
  }

  async read(site: Site, balancer: Balancer): Promise<BalancerReading> {
    const said = await this.#call(site, balancer, 'read', {});
    const parsed = readingSchema.safeParse(jsonOf(said));
    if (!parsed.success) {
      throw unreachable(balancer, `its program says ${JSON.stringify(said.slice(0, 200))}`);
    }
    return parsed.data;
  }

  async #call(site: Site, balancer: Balancer, deed: string, more: object): Promise<string> {
    const question = { site: site.name, balancer: balancer.name, ...more };
    try {
      const { exitCode, stdout, stderr } = await run([...own(balancer).command, deed], {
        env: toolEnvironment(),
        input: `${JSON.stringify(question)}\n`,
        timeoutMs: this.#timeoutMs,
        maxOutputBytes: 8 * 1024 * 1024,
      });
      const last = stderr.trim().split('\n').at(-1) ?? '';
      if (exitCode === REFUSED) {
        throw new AppError(
          'balancer-refused',
          `The balancer ${balancer.name} of ${site.name} refuses: ${last}`,
          { details: { site: site.name, balancer: balancer.name } },
        );
      }
      if (exitCode !== 0) {
        throw unreachable(balancer, `its program ended with ${exitCode}: ${last}`);
      }
      return stdout.toString('utf8');
    } catch (error) {
      throw isAppError(error) && !error.code.startsWith('balancer-')
        ? unreachable(balancer, messageOf(error))
        : error;
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function own(balancer: Balancer): CommandBalancer {
  if (balancer.driver !== 'command') {
    throw new Error(`${balancer.name} has no command`);
  }
  return balancer;
}

function unreachable({ name }: Balancer, why: string): AppError {
  return new AppError('balancer-unreachable', `The balancer ${name} gives no answer: ${why}`, {
    details: { balancer: name },
  });
}
