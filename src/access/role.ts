/** What a token may do. `admin` may do everything; `builder` runs an agent and pushes packages; `node` reports. */
export const ROLES = ['admin', 'builder', 'node'] as const;
export type Role = (typeof ROLES)[number];

/** Who is asking. */
export interface Identity {
  readonly name: string;
  readonly role: Role;
}

export function mayActAs(identity: Identity, role: Role): boolean {
  return identity.role === role || identity.role === 'admin';
}
