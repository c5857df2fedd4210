import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import type { BuildLimits } from '../../src/gentoo/build-limits.ts';
import type { HardwareProfile } from '../../src/gentoo/profile.ts';
import { hardwareProfileSchema } from '../../src/gentoo/profile.ts';
import { type Recipe, recipeSchema } from '../../src/gentoo/recipe.ts';
import type { LeaseMessage } from '../../src/protocol/agents.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';

/** More than any job of these tests takes. */
export const LIMITS: BuildLimits = {
  silenceMs: 600_000,
  runMs: 600_000,
  logBytes: 1e9,
  diskBytes: 1e10,
};

export const SAMPLE = join(import.meta.dirname, '../../scripts/sample');

/** What a job is leased as, all but its attempt. */
export type JobLease = Omit<LeaseMessage, 'attempt'>;

export function testProfile(changes: Partial<HardwareProfile> = {}): HardwareProfile {
  return hardwareProfileSchema.parse({
    name: 'test',
    description: 'for tests',
    ancestors: [],
    arch: 'amd64',
    chost: 'x86_64-pc-linux-gnu',
    // biome-ignore lint: a reference of make.conf
    flags: { CFLAGS: '-O2 -pipe', CXXFLAGS: '${CFLAGS} -fno-plt', LDFLAGS: '-Wl,-O1' },
    cpuFlags: [],
    cpuFlagsVariable: 'CPU_FLAGS_X86',
    gentooProfile: null,
    use: [],
    features: [],
    makeopts: '-j1',
    buildRoot: { kind: 'host' },
    executor: 'source',
    channels: ['testing'],
    sets: {},
    portageFiles: {},
    recipes: {},
    ...changes,
  });
}

/** A recipe of the sample, and its source as the server packs it. */
export async function sampleRecipe(name: string): Promise<{ recipe: Recipe; source: Buffer }> {
  const text = readFileSync(join(SAMPLE, `recipes/${name}.toml`), 'utf8');
  const recipe = recipeSchema.parse(parse(text));
  const folder = 'folder' in recipe.source ? recipe.source.folder : '';
  return { recipe, source: await packFolder(join(SAMPLE, 'recipes', folder)) };
}

export async function packFolder(folder: string): Promise<Buffer> {
  const command = ['tar', '-czf', '-', '-C', folder, '.'];
  return (await runChecked(command, { env: toolEnvironment() })).stdout;
}

export function sourceLease(
  jobId: string,
  recipe: Recipe,
  source: Buffer,
  profile: HardwareProfile = testProfile(),
): JobLease {
  return {
    jobId,
    requestId: 'request',
    expiresAt: 0,
    profile,
    limits: LIMITS,
    stagingPath: '/staging/test/',
    work: {
      kind: 'source-package',
      recipe,
      sourceSha512: createHash('sha512').update(source).digest('hex'),
      inputs: 'inputs',
    },
  };
}

/** A recipe whose source is one file, for jobs that are about what happens around them. */
export function scriptRecipe(build: readonly string[], install?: readonly string[]): Recipe {
  return recipeSchema.parse({
    cpv: 'app-misc/script-1',
    description: 'runs lines',
    source: { folder: '.' },
    build: [...build],
    install: install === undefined ? ['mkdir -p "$D/usr"', 'echo x > "$D/usr/x"'] : [...install],
  });
}
