import type { BalancerDriver } from '../../src/fleet/drivers/ports.ts';
import { AppError } from '../../src/support/errors.ts';

/** Balancers of which none answers. */
export const NOBODY: Pick<BalancerDriver, 'read'> = {
  read: async (_, { name }) => {
    throw new AppError('balancer-unreachable', `The balancer ${name} gives no answer.`);
  },
};
