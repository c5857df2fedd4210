import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError, messageOf } from '../support/errors.ts';

/** A file of an inventory, with the name that it was given by. Throws `inventory-unreadable`. */
export async function readInventoryFile(
  cwd: string,
  name: string,
): Promise<{ readonly name: string; readonly text: string }> {
  try {
    return { name, text: await readFile(resolve(cwd, name), 'utf8') };
  } catch (error) {
    throw new AppError(
      'inventory-unreadable',
      `The inventory file ${name} cannot be read: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}
