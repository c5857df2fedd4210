import { stat } from 'node:fs/promises';
import { AppError, isErrno } from '../support/errors.ts';

/** Throws `package-file-missing`. */
export async function refuseUnlessFile(file: string): Promise<void> {
  let isFile: boolean;
  try {
    isFile = (await stat(file)).isFile();
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENOTDIR')) {
      throw error;
    }
    throw new AppError('package-file-missing', `There is no file ${file}.`, { cause: error });
  }
  if (!isFile) {
    throw new AppError('package-file-missing', `${file} is not a file.`);
  }
}
