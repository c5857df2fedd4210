import type { Request, Response } from 'express';
import * as z from 'zod';
import type { Identity, Role } from '../../access/role.ts';
import type { Tokens } from '../../access/tokens.ts';
import { AppError } from '../../support/errors.ts';
import { authenticate } from '../authentication.ts';
import { readJson } from '../request-body.ts';
import { describeIssues } from './describe-issues.ts';

export type Method = 'get' | 'post' | 'put' | 'delete';

export const NO_QUERY = z.object({});
/** For routes without a body. */
export const NO_BODY = z.undefined();
/** For routes that read the request as a stream of bytes themselves. */
export const BYTES = z.undefined();

const JSON_BYTES = 1024 * 1024;

/** A JSON value of this form, a text or stream of this media type, or nothing. */
export type ReplyForm = z.ZodType | string | null;

/** One entry of the API: what it is called, who may call it, what goes in and comes out, and what it does. */
export interface Route {
  readonly method: Method;
  /** In Express's syntax, with `:name` for parameters. */
  readonly path: string;
  readonly role: Role | null;
  readonly summary: string;
  readonly query: z.ZodObject;
  readonly body: z.ZodType;
  readonly replies: Readonly<Record<number, ReplyForm>>;
  readonly run: (exchange: RawExchange) => Promise<void>;
}

export interface RawExchange {
  readonly request: Request;
  readonly response: Response;
  readonly tokens: Tokens;
}

/** What a handler gets: everything is checked. */
export interface Call<Query, Body> {
  readonly request: Request;
  readonly response: Response;
  readonly params: (name: string) => string;
  readonly query: Query;
  readonly body: Body;
}

/** What to answer with; undefined when the handler has answered itself. */
export type Reply =
  | { readonly status: number; readonly json?: unknown; readonly headers?: Record<string, string> }
  | undefined;

interface RouteDescription<Query extends z.ZodObject, Body extends z.ZodType> {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly query: Query;
  readonly body: Body;
  readonly maxBodyBytes?: number;
  readonly replies: Readonly<Record<number, ReplyForm>>;
}

type OpenRoute<Query extends z.ZodObject, Body extends z.ZodType> = RouteDescription<
  Query,
  Body
> & {
  readonly handle: (call: Call<z.output<Query>, z.output<Body>>) => Promise<Reply>;
};

type GuardedRoute<Query extends z.ZodObject, Body extends z.ZodType> = RouteDescription<
  Query,
  Body
> & {
  readonly role: Role;
  readonly handle: (
    call: Call<z.output<Query>, z.output<Body>> & { readonly identity: Identity },
  ) => Promise<Reply>;
};

/** A route that anybody may call. */
export function openRoute<Query extends z.ZodObject, Body extends z.ZodType>(
  route: OpenRoute<Query, Body>,
): Route {
  return {
    ...route,
    role: null,
    run: async ({ request, response }) => {
      const call = await checkedCall(route, request, response);
      send(response, await route.handle(call));
    },
  };
}

/** A route that needs a token of a role. Nothing of the request is looked at before the token. */
export function guardedRoute<Query extends z.ZodObject, Body extends z.ZodType>(
  route: GuardedRoute<Query, Body>,
): Route {
  return {
    ...route,
    run: async ({ request, response, tokens }) => {
      const identity = await authenticate(tokens, request, route.role);
      const call = await checkedCall(route, request, response);
      send(response, await route.handle({ ...call, identity }));
    },
  };
}

async function checkedCall<Query extends z.ZodObject, Body extends z.ZodType>(
  route: RouteDescription<Query, Body>,
  request: Request,
  response: Response,
): Promise<Call<z.output<Query>, z.output<Body>>> {
  const query = checked('invalid-query', route.query, request.query);
  const isJson = hasJsonBody(route);
  const raw = isJson ? await readJson(request, route.maxBodyBytes ?? JSON_BYTES) : undefined;
  return {
    request,
    response,
    params: (name) => paramOf(request, name),
    query,
    body: checked('invalid-body', route.body, raw),
  };
}

export function hasJsonBody(route: { readonly body: z.ZodType }): boolean {
  return route.body !== NO_BODY && route.body !== BYTES;
}

function checked<Schema extends z.ZodType>(
  code: 'invalid-query' | 'invalid-body',
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) {
    return result.data;
  }
  const part = code === 'invalid-body' ? 'body' : 'query';
  const faults = describeIssues(result.error.issues, part, { value, schema });
  throw new AppError(code, faults[0]?.message ?? `The ${part} is not valid.`, {
    details: { faults },
  });
}

function paramOf(request: Request, name: string): string {
  const value = request.params[name];
  if (typeof value !== 'string') {
    throw new Error(`the route has no parameter ${name}`);
  }
  return value;
}

function send(response: Response, reply: Reply): void {
  if (reply === undefined) {
    return;
  }
  response.status(reply.status).set(reply.headers ?? {});
  if (reply.json === undefined) {
    response.end();
    return;
  }
  response.json(reply.json);
}
