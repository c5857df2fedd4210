import { chmod, copyFile, lstat, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import type { CheckOptions, CheckReport } from '../../src/repository/check/check-report.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { systemClock } from '../../src/support/clock.ts';
import { newId } from '../../src/support/ids.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { finishedCheck } from './finished-check.ts';
import { makePackage } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

export const folder = temporaryFolder();
export const DAY_MS = 86_400_000;
export const SHALLOW = { deep: false, all: false, maxAgeMs: 30 * DAY_MS };
export const DEEP = { ...SHALLOW, deep: true };
export const opened: Installation[] = [];

/** Call it once at the top of a test file. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const installation of opened.splice(0)) {
      await installation.check.stop();
      await installation.close();
    }
  });
}

export async function install(): Promise<Installation> {
  return await open(join(folder, newId('check')));
}

export async function open(own: string): Promise<Installation> {
  const installation = await openInstallation(own, systemClock);
  opened.push(installation);
  const keys = join(installation.folders.mirrorRoot, 'keys');
  await mkdir(keys, { recursive: true });
  await writeFile(join(keys, 'rookery.asc'), installation.publicKey);
  return installation;
}

export async function withPackages(
  ...cpvs: string[]
): Promise<Installation & { made: PackageRecord[] }> {
  const installation = await install();
  const made: PackageRecord[] = [];
  for (const cpv of cpvs) {
    made.push((await push(installation.repository, await makePackage(folder, cpv))).package);
  }
  await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
  return { ...installation, made };
}

/** Runs a check to its end. */
export async function check(
  installation: Pick<Installation, 'check'>,
  options: CheckOptions,
): Promise<CheckReport> {
  const state = await finishedCheck(installation.check, options);
  if (state.report === null) {
    throw new Error(`the check is ${state.state}: ${state.error}`);
  }
  return state.report;
}

export function shown({ findings }: CheckReport): string[] {
  return findings.map(({ code, subject, outcome }) => `${code} ${outcome} ${subject}`);
}

export function shownFile({ folders }: Installation, { profile, path }: PackageRecord): string {
  return join(folders.mirrorRoot, 'binhost', profile, 'packages', path);
}

export function poolFile({ folders }: Installation, { sha512 }: PackageRecord): string {
  return join(folders.state, 'pool', sha512.slice(0, 2), sha512);
}

/** Changes bytes in place, behind all links, and keeps size and time. */
export async function spoil(file: string): Promise<void> {
  const { mtime } = await lstat(file);
  const bytes = await readFile(file);
  bytes[2000] = (bytes[2000] ?? 0) ^ 0xff;
  await chmod(file, 0o644);
  await writeFile(file, bytes, { flag: 'r+' });
  await utimes(file, mtime, mtime);
}

/** A copy of a file that is no link to it. */
export async function copyOf(file: string): Promise<string> {
  const copy = join(folder, `${newId('copy')}.gpkg.tar`);
  await copyFile(file, copy);
  return copy;
}

export async function eventsOf({ journal }: Installation): Promise<string[]> {
  return (await journal.latest(100)).map(({ kind, actor }) => `${kind} ${actor}`).toReversed();
}
