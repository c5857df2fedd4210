import type { RepositoryContext } from '../repository-context.ts';

/** What the use cases about nodes and proofs work with. */
export type ProofContext = Pick<
  RepositoryContext,
  'database' | 'journal' | 'clock' | 'locks' | 'profiles'
>;
