import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { show } from '../gentoo/document-faults.ts';
import { isErrno, messageOf } from '../support/errors.ts';

/** A folder of profiles: why it cannot be read, or nothing. */
export async function faultInProfilesFolder(path: string): Promise<string | undefined> {
  return await faultOf(
    async () => await readdir(path),
    [
      ['ENOENT', `there is no folder ${path}.`],
      ['ENOTDIR', `${path} is not a folder.`],
      ['EACCES', `the folder ${path} may not be read.`],
    ],
  );
}

/** A file with a passphrase: why it has none, or nothing. */
export async function faultInPassphraseFile(path: string): Promise<string | undefined> {
  let isEmpty = false;
  const fault = await faultOf(async () => {
    isEmpty = (await readFile(path, 'utf8')).replace(/\n+$/, '') === '';
  }, [
    ['ENOENT', `there is no file ${path}.`],
    ['EISDIR', `${path} is a folder.`],
    ['EACCES', `the file ${path} may not be read.`],
  ]);
  return fault ?? (isEmpty ? `the file ${path} is empty.` : undefined);
}

/** A certificate and its key: why no server can use them, or nothing. */
export async function faultInCertificate(files: {
  readonly certificate: string;
  readonly key: string;
}): Promise<string | undefined> {
  return await faultOf(async () => {
    createSecureContext({
      cert: await readFile(files.certificate),
      key: await readFile(files.key),
    });
  }, []);
}

/**
 * A host to listen on: why this machine cannot, or nothing. It is resolved, and an address is bound that nobody can
 * reach anything at.
 */
export async function faultInHost(host: string): Promise<string | undefined> {
  return await faultOf(async () => {
    const { address, family } = await lookup(host);
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    try {
      socket.bind({ address, port: 0, exclusive: true });
      await once(socket, 'listening');
    } finally {
      socket.close();
    }
  }, [
    ['ENOTFOUND', `no address is known for ${show(host)}.`],
    ['EAI_AGAIN', `no address can be found for ${show(host)} now.`],
    ['EADDRNOTAVAIL', 'this machine does not have that address.'],
    ['EAFNOSUPPORT', 'this machine does not have addresses of that kind.'],
    ['EINVAL', 'this machine cannot listen there.'],
  ]);
}

async function faultOf(
  look: () => Promise<unknown>,
  known: readonly (readonly [code: string, sentence: string])[],
): Promise<string | undefined> {
  try {
    await look();
    return undefined;
  } catch (error) {
    const sentence = known.find(([code]) => isErrno(error, code))?.[1];
    return sentence ?? `${messageOf(error)}.`;
  }
}
