import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { DigestSet } from '../../support/digests.ts';
import { AppError, isErrno } from '../../support/errors.ts';
import type { Repository } from '../repository.ts';
import { signatureOf } from './settling.ts';

const PIECE_BYTES = 256 * 1024;

/**
 * Imports a file of the drop folder, and removes it once that is durable, unless it has become another one meanwhile:
 * then it is looked at again. A symbolic link is never followed.
 *
 * Throws what `Repository.importPackage` throws, `incoming-not-a-file`, `incoming-unreadable`.
 */
export async function importIncoming(
  repository: Repository,
  profile: string,
  path: string,
): ReturnType<Repository['importPackage']> {
  const handle = await openRegular(path);
  try {
    const before = await handle.stat();
    if (!before.isFile()) {
      throw notAFile(path);
    }
    const sha512 = await digestOf(handle);
    const stream = handle.createReadStream({
      start: 0,
      autoClose: false,
      highWaterMark: PIECE_BYTES,
    });
    const file = await repository.receiveUpload(stream, { sha512, size: before.size });
    const result = await repository.importPackage({
      profile,
      file,
      uploadSha512: sha512,
      origin: 'incoming',
      actor: 'server',
    });
    if (signatureOf(await lstat(path)) === signatureOf(before)) {
      await rm(path);
    }
    return result;
  } finally {
    await handle.close();
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ELOOP') || isErrno(error, 'ENXIO')) {
      throw notAFile(path);
    }
    if (isErrno(error, 'EACCES') || isErrno(error, 'EPERM')) {
      throw new AppError(
        'incoming-unreadable',
        `${basename(path)} cannot be read by the user that the server runs as.`,
        { cause: error },
      );
    }
    throw error;
  }
}

async function digestOf(handle: FileHandle): Promise<string> {
  const digest = new DigestSet(['sha512']);
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(piece, 0, piece.length, digest.size);
    if (bytesRead === 0) {
      return digest.finish().of('sha512');
    }
    digest.update(piece.subarray(0, bytesRead));
  }
}

function notAFile(path: string): AppError {
  return new AppError('incoming-not-a-file', `${basename(path)} is not a regular file.`);
}
