import { timingSafeEqual } from 'node:crypto';
import type { Database } from '../database/database.ts';
import type { TokenRow } from '../database/tables.ts';
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

  /**
   * Makes a token (or takes the one given) and returns it. The name of a revoked one may be used again; the journal
   * keeps what was. Throws `token-name-invalid`, `token-exists`.
   */
  async create(name: string, role: Role, actor: string, token = newToken()): Promise<string> {
    if (!NAME.test(name)) {
      throw new AppError(
        'token-name-invalid',
        `"${name}" is not a token name: letters, digits, ".", "_" and "-".`,
      );
    }
    const values = {
      role,
      digest: digestOf('sha256', token),
      created_at: this.#clock.now(),
      revoked_at: null,
    };
    const event = await this.#database.transaction().execute(async (queries) => {
      const made = await queries
        .insertInto('tokens')
        .values({ name, ...values })
        .onConflict((conflict) =>
          conflict.column('name').doUpdateSet(values).where('tokens.revoked_at', 'is not', null),
        )
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

  /** Gives the token a new secret, made now; the old one opens nothing from now on. Throws `unknown-token`. */
  async rotate(
    name: string,
    actor: string,
  ): Promise<{ readonly role: Role; readonly token: string }> {
    const token = newToken();
    const { role } = await this.#change(
      name,
      { digest: digestOf('sha256', token), created_at: this.#clock.now() },
      { kind: 'token-rotated', actor },
    );
    return { role: toRole(role), token };
  }

  /** From now on the token opens nothing. Throws `unknown-token`. */
  async revoke(name: string, actor: string): Promise<void> {
    await this.#change(name, { revoked_at: this.#clock.now() }, { kind: 'token-revoked', actor });
  }

  /** Changes a token that is not revoked, and says so in the journal. */
  async #change(
    name: string,
    values: Partial<Omit<TokenRow, 'name' | 'role'>>,
    { kind, actor }: { readonly kind: string; readonly actor: string },
  ): Promise<{ readonly role: string }> {
    const { changed, event } = await this.#database.transaction().execute(async (queries) => {
      const row = await queries
        .updateTable('tokens')
        .set(values)
        .where('name', '=', name)
        .where('revoked_at', 'is', null)
        .returning('role')
        .executeTakeFirst();
      if (row === undefined) {
        throw new AppError('unknown-token', `There is no token named ${name} that is not revoked.`);
      }
      const subject = `token:${name}`;
      return {
        changed: row,
        event: await this.#journal.write(queries, { kind, subject, actor, data: {} }),
      };
    });
    this.#journal.announce(event);
    return changed;
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
