/** What decides which package takes the place of which, and where it stands in an index. */
export interface PackageChoice {
  readonly id: string;
  readonly category: string;
  readonly pn: string;
  readonly cpv: string;
  readonly slot: string;
  readonly buildId: number;
}

/** The columns of a choice. */
export const CHOICE = [
  'packages.id as id',
  'packages.category as category',
  'packages.pn as pn',
  'packages.cpv as cpv',
  'packages.slot as slot',
  'packages.build_id as buildId',
] as const;
