import { timingSafeEqual } from 'node:crypto';
import type { Database } from '../database/database.ts';
import type { Journal } from '../journal/journal.ts';
import type { Clock } from '../support/clock.ts';
import { digestOf } from '../support/digests.ts';
import { AppError } from '../support/errors.ts';
import { newToken } from '../support/ids.ts';
import { type Identity, ROLES, type Role } from './role.ts';

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

export interface TokenRecord {
  readonly name: string;
  readonly role: Role;
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

/** Bearer tokens. Only their SHA-256 is kept; a token is shown once, when it is made. */
export class Tokens {
  readonly #database: Database;
  readonly #journal: Journal;
  readonly #clock: Clock;

  constructor(database: Database, journal: Journal, clock: Clock) {
    this.#database = database;
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Makes a token and returns it. Throws `token-name-invalid`, `token-exists`. */
  async create(name: string, role: Role, actor: string): Promise<string> {
    if (!NAME.test(name)) {
      throw new AppError(
        'token-name-invalid',
        `"${name}" is not a token name: letters, digits, ".", "_" and "-".`,
      );
    }
    const token = newToken();
    const values = {
      name,
      role,
      digest: digestOf('sha256', token),
      created_at: this.#clock.now(),
      revoked_at: null,
    };
    const event = await this.#database.transaction().execute(async (queries) => {
      const made = await queries
        .insertInto('tokens')
        .values(values)
        .onConflict((conflict) => conflict.column('name').doNothing())
        .returning('name')
        .executeTakeFirst();
      if (made === undefined) {
        throw new AppError('token-exists', `There is a token named ${name} already.`);
      }
      return await this.#journal.write(queries, {
        kind: 'token-created',
        subject: `token:${name}`,
        actor,
        data: { role },
      });
    });
    this.#journal.announce(event);
    return token;
  }

  /** From now on the token opens nothing. Throws `unknown-token`. */
  async revoke(name: string, actor: string): Promise<void> {
    const event = await this.#database.transaction().execute(async (queries) => {
      const changed = await queries
        .updateTable('tokens')
        .set({ revoked_at: this.#clock.now() })
        .where('name', '=', name)
        .where('revoked_at', 'is', null)
        .returning('name')
        .executeTakeFirst();
      if (changed === undefined) {
        throw new AppError(
          'unknown-token',
          `There is no token named ${name} that could be revoked.`,
        );
      }
      return await this.#journal.write(queries, {
        kind: 'token-revoked',
        subject: `token:${name}`,
        actor,
        data: {},
      });
    });
    this.#journal.announce(event);
  }

  async list(): Promise<TokenRecord[]> {
    const rows = await this.#database.selectFrom('tokens').selectAll().orderBy('name').execute();
    return rows.map((row) => ({
      name: row.name,
      role: toRole(row.role),
      createdAt: row.created_at,
      revokedAt: row.revoked_at,
    }));
  }

  /** Whose token this is, or undefined when it is nobody's or revoked. */
  async identify(token: string): Promise<Identity | undefined> {
    const digest = digestOf('sha256', token);
    const row = await this.#database
      .selectFrom('tokens')
      .selectAll()
      .where('digest', '=', digest)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    if (row === undefined || !timingSafeEqual(Buffer.from(row.digest), Buffer.from(digest))) {
      return undefined;
    }
    return { name: row.name, role: toRole(row.role) };
  }
}

function toRole(text: string): Role {
  const role = ROLES.find((known) => known === text);
  if (role === undefined) {
    throw new Error(`the database holds an unknown role ${text}`);
  }
  return role;
}
