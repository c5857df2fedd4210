import type { IncomingMessage } from 'node:http';
import { type Identity, mayActAs, type Role } from '../access/role.ts';
import type { Tokens } from '../access/tokens.ts';
import { AppError } from '../support/errors.ts';

const BEARER = /^Bearer +([\w.~+/-]+=*) *$/i;

/**
 * Who sent a request, when they may act in this role.
 *
 * Throws `authentication-required`, `token-invalid`, `role-too-low`.
 */
export async function authenticate(
  tokens: Tokens,
  request: IncomingMessage,
  role: Role,
): Promise<Identity> {
  const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) {
    throw new AppError(
      'authentication-required',
      `This needs a token of the role ${role}, sent as "Authorization: Bearer <token>".`,
    );
  }
  const identity = await tokens.identify(token);
  if (identity === undefined) {
    throw new AppError('token-invalid', 'The token is not known, or it was revoked.');
  }
  if (!mayActAs(identity, role)) {
    throw new AppError(
      'role-too-low',
      `The token ${identity.name} has the role ${identity.role}; this needs ${role}.`,
      { details: { role: identity.role, needed: role } },
    );
  }
  return identity;
}

/** How an identity stands in the journal. */
export function actorOf(identity: Identity): string {
  return `token:${identity.name}`;
}
