/**
 * What emerge's resolver is told besides atoms, by the names of emerge's options: newer versions of what is installed,
 * also of what that needs at any depth, and what is installed with other USE flags than it would have now.
 */
export const RESOLVE_OPTIONS = ['update', 'deep', 'newuse'] as const;
export type ResolveOption = (typeof RESOLVE_OPTIONS)[number];
