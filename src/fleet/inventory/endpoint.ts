import { isIP } from 'node:net';
import type { Endpoint } from './inventory.ts';

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
export const HOST_RULE = 'has to be the name or address of a host';

/** A name of DNS or an address. Nothing that a program could take for an option. */
export function isHost(text: string): boolean {
  if (/^[0-9.]+$/.test(text)) {
    return isIP(text) === 4;
  }
  return HOST_NAME.test(text) || isIP(text) === 6;
}

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT`; undefined for anything else. */
export function parseEndpoint(text: string, defaultPort: number): Endpoint | undefined {
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:]*))(?::(?<port>[0-9]{1,5}))?$/.exec(text);
  const { v6, name, port } = match?.groups ?? {};
  const host = v6 ?? name ?? (isIP(text) === 6 ? text : '');
  const number = port === undefined ? defaultPort : Number(port);
  const isRight = v6 === undefined ? isHost(host) : isIP(v6) === 6;
  return isRight && number >= 1 && number <= 65_535 ? { host, port: number } : undefined;
}
