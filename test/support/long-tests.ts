/** Whether everything is done as often as it can be: ROOKERY_LONG_TESTS=1 in the environment. */
export const IS_LONG = process.env['ROOKERY_LONG_TESTS'] === '1';

/** How often to do something: `all` in a long run, `few` otherwise, so that a run of all tests takes minutes. */
export function often(all: number, few: number): number {
  return IS_LONG ? all : few;
}
