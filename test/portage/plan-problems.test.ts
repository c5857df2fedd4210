import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { planFromPortage } from '../../src/builds/plan-from-portage.ts';
import { problemText } from '../../src/gentoo/plan-problem.ts';
import { type PortagePlan, portagePlanSchema } from '../../src/gentoo/portage-plan.ts';
import { runChecked } from '../../src/support/processes.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const [title, isSkipped] = portageSuite(
  'what stands in the way of a plan, as real Portage says it',
);
jest.setTimeout(120_000);

const PROGRAM = join(import.meta.dirname, '../../src/agent/portage/emerge_plan.py');
const folder = temporaryFolder();
const overlay = join(folder, 'overlay');
let prefix: GentooPrefix;

function ebuild(lines: Readonly<Record<string, string>> = {}): string {
  const all = { EAPI: '8', LICENSE: 'MIT', SLOT: '0', KEYWORDS: 'amd64', S: '/', ...lines };
  return Object.entries(all)
    .map(([name, value]) => `${name}="${value}"\n`)
    .join('');
}

const EBUILDS: Readonly<Record<string, string>> = {
  'dev-libs/young/young-1.ebuild': ebuild({ KEYWORDS: '~amd64', DEPEND: 'dev-libs/younger' }),
  'dev-libs/younger/younger-1.ebuild': ebuild({ KEYWORDS: '~amd64' }),
  'dev-libs/foreign/foreign-1.ebuild': ebuild({ KEYWORDS: 'arm64' }),
  'app-misc/wants-young/wants-young-1.ebuild': ebuild({ DEPEND: 'dev-libs/young' }),
  'dev-libs/shut/shut-1.ebuild': ebuild(),
  'dev-libs/closed/closed-1.ebuild': ebuild({ LICENSE: 'Closed' }),
  'dev-libs/future/future-1.ebuild': ebuild({ EAPI: '99' }),
  'dev-libs/flags/flags-1.ebuild': ebuild({ IUSE: 'ssl static' }),
  'dev-libs/forced/forced-1.ebuild': ebuild({ IUSE: 'hardened' }),
  'app-misc/wants-ssl/wants-ssl-1.ebuild': ebuild({ DEPEND: 'dev-libs/flags[ssl]' }),
  'app-misc/wants-none/wants-none-1.ebuild': ebuild({ DEPEND: 'dev-libs/flags[nosuch]' }),
  'app-misc/wants-forced/wants-forced-1.ebuild': ebuild({ DEPEND: 'dev-libs/forced[-hardened]' }),
  'app-misc/choosy/choosy-1.ebuild': ebuild({ IUSE: 'red blue', REQUIRED_USE: '^^ ( red blue )' }),
  'app-misc/hard/hard-1.ebuild': ebuild({ RDEPEND: '!!app-misc/other' }),
  'app-misc/soft/soft-1.ebuild': ebuild({ RDEPEND: '!app-misc/other' }),
  'app-misc/other/other-1.ebuild': ebuild(),
  'app-misc/upgraded/upgraded-1.ebuild': ebuild({ RDEPEND: '!<app-misc/part-2' }),
  'app-misc/part/part-1.ebuild': ebuild(),
  'app-misc/part/part-2.ebuild': ebuild(),
  'dev-libs/slotted/slotted-1.ebuild': ebuild(),
  'dev-libs/slotted/slotted-2.ebuild': ebuild(),
  'app-misc/old/old-1.ebuild': ebuild({ RDEPEND: '<dev-libs/slotted-2' }),
  'app-misc/new/new-1.ebuild': ebuild({ RDEPEND: '>=dev-libs/slotted-2' }),
  'dev-libs/egg/egg-1.ebuild': ebuild({ IUSE: '+fresh', DEPEND: 'fresh? ( dev-libs/hen )' }),
  'dev-libs/hen/hen-1.ebuild': ebuild({ DEPEND: 'dev-libs/egg' }),
  'dev-libs/yin/yin-1.ebuild': ebuild({ BDEPEND: 'dev-libs/yang' }),
  'dev-libs/yang/yang-1.ebuild': ebuild({ BDEPEND: 'dev-libs/yin' }),
  'app-misc/host/host-1.ebuild': ebuild({ PDEPEND: 'app-misc/plug' }),
  'app-misc/plug/plug-1.ebuild': ebuild({ DEPEND: 'app-misc/host', RDEPEND: 'app-misc/host' }),
  'profiles/package.mask': '# Eats disks (2026).\ndev-libs/shut\n',
  'profiles/test/use.force': 'hardened\n',
  'licenses/MIT': 'free\n',
  'licenses/Closed': 'not free\n',
};

async function plan(...words: readonly string[]): Promise<PortagePlan> {
  const { stdout } = await runChecked(['python3', '-B', PROGRAM, ...words], { env: prefix.env });
  return portagePlanSchema.parse(JSON.parse(String(stdout)));
}

async function problemsOf(...words: readonly string[]): Promise<PortagePlan['problems']> {
  const { ok, problems } = await plan(...words);
  expect(ok).toBe(false);
  return problems;
}

/** The one problem of a plan, and what an operator reads of it. */
async function said(...words: readonly string[]): Promise<[code: string, text: string]> {
  const [problem, ...others] = await problemsOf(...words);
  expect(others).toEqual([]);
  const code = typeof problem === 'object' ? problem.code : 'none';
  return [code, problem === undefined ? '' : problemText(problem)];
}

/** What the lines of the problems would do, once they stand in the profile's folder. */
async function follow(problems: PortagePlan['problems']): Promise<void> {
  for (const problem of problems) {
    const lines = typeof problem === 'object' && 'fixes' in problem ? problem.fixes : [];
    for (const { file, line } of lines) {
      const place = join(prefix.folder, 'etc/portage', file);
      await mkdir(place, { recursive: true });
      await writeFile(join(place, line.replaceAll(/\W/g, '-')), `${line}\n`);
    }
  }
}

(isSkipped ? describe.skip : describe)(title, () => {
  beforeAll(async () => {
    await makeOverlay(overlay, EBUILDS);
    prefix = await makeGentooPrefix({
      folder: join(folder, 'prefix'),
      overlay,
      makeConf: ['ACCEPT_LICENSE="-* MIT"'],
    });
  });

  const HELP = 'What would help in the portage folder of the profile:';

  it.each<[what: string, said: [atoms: string[], code: string, sentence: string, help: string]]>([
    [
      'a name that nobody has',
      [
        ['dev-libs/ghost'],
        'no-such-package',
        'dev-libs/ghost cannot be had: no ebuild repository has a package of that name and version.',
        'Sync the ebuild repositories of the build root, or add the one that has it.',
      ],
    ],
    [
      'a keyword of another architecture',
      [
        ['dev-libs/foreign'],
        'masked',
        'dev-libs/foreign cannot be had: dev-libs/foreign-1::lab is masked by having no keyword.',
        `${HELP} "=dev-libs/foreign-1 **" in package.accept_keywords.`,
      ],
    ],
    [
      'package.mask, with what stands above the mask',
      [
        ['dev-libs/shut'],
        'masked',
        'dev-libs/shut cannot be had: dev-libs/shut-1::lab is masked by package.mask (Eats disks (2026).).',
        `${HELP} "=dev-libs/shut-1" in package.unmask.`,
      ],
    ],
    [
      'a license that is not accepted',
      [
        ['dev-libs/closed'],
        'masked',
        'dev-libs/closed cannot be had: dev-libs/closed-1::lab is masked by its license Closed.',
        `${HELP} "=dev-libs/closed-1 Closed" in package.license.`,
      ],
    ],
    [
      'an EAPI that this Portage does not know',
      [
        ['dev-libs/future'],
        'masked',
        'dev-libs/future cannot be had: dev-libs/future-1::lab is masked by its EAPI 99, which the Portage of the agent cannot read.',
        'No line of the profile unmasks it: choose another version, or a newer Portage.',
      ],
    ],
    [
      'a USE flag that a package needs of another',
      [
        ['app-misc/wants-ssl'],
        'use-change',
        'app-misc/wants-ssl-1::lab needs dev-libs/flags[ssl], which cannot be had: dev-libs/flags-1::lab would need other USE flags: ssl.',
        `${HELP} ">=dev-libs/flags-1 ssl" in package.use.`,
      ],
    ],
    [
      'a USE flag that does not exist',
      [
        ['app-misc/wants-none'],
        'no-such-flag',
        'app-misc/wants-none-1::lab needs dev-libs/flags[nosuch], which cannot be had: dev-libs/flags-1::lab has no USE flag nosuch.',
        'Choose a version that has the flag, or report the dependency.',
      ],
    ],
    [
      'a USE flag that the Gentoo profile forces',
      [
        ['app-misc/wants-forced'],
        'use-change',
        'app-misc/wants-forced-1::lab needs dev-libs/forced[-hardened], which cannot be had: dev-libs/forced-1::lab would need other USE flags: -hardened, but the Gentoo profile fixes hardened.',
        'The Gentoo profile decides about these flags: choose another one, or leave the package out.',
      ],
    ],
    [
      'a REQUIRED_USE that does not hold, with each way to make it hold',
      [
        ['app-misc/choosy'],
        'required-use',
        'The USE flags of app-misc/choosy-1::lab break its own rule: exactly-one-of ( red blue ).',
        `${HELP} ">=app-misc/choosy-1 blue" in package.use, or ">=app-misc/choosy-1 red" in package.use.`,
      ],
    ],
    [
      'a hard blocker',
      [
        ['app-misc/hard', 'app-misc/other'],
        'blocker',
        'app-misc/hard-1::lab (!!app-misc/other) cannot be installed together with app-misc/other-1::lab, not even while one replaces the other.',
        'Ask for one of them, or choose a version of the other that is not blocked.',
      ],
    ],
    [
      'a soft blocker between two that are asked for',
      [
        ['app-misc/soft', 'app-misc/other'],
        'blocker',
        'app-misc/soft-1::lab (!app-misc/other) cannot be installed together with app-misc/other-1::lab.',
        'Ask for one of them, or choose a version of the other that is not blocked.',
      ],
    ],
    [
      'two versions of one slot',
      [
        ['app-misc/old', 'app-misc/new'],
        'slot-conflict',
        'The slot dev-libs/slotted:0 would have to hold several packages at once: dev-libs/slotted-1::lab (app-misc/old-1::lab needs <dev-libs/slotted-2); dev-libs/slotted-2::lab (app-misc/new-1::lab needs >=dev-libs/slotted-2).',
        'Keep one of the versions out with a line in package.mask, or ask for newer versions of those who need the old one.',
      ],
    ],
    [
      'a circle that a USE flag opens',
      [
        ['dev-libs/egg'],
        'cycle',
        'These packages need each other to be built: dev-libs/hen-1::lab -> dev-libs/egg-1::lab -> dev-libs/hen-1::lab.',
        `${HELP} ">=dev-libs/egg-1 -fresh" in package.use.`,
      ],
    ],
    [
      'a circle that nothing opens',
      [
        ['dev-libs/yin'],
        'cycle',
        'These packages need each other to be built: dev-libs/yang-1::lab -> dev-libs/yin-1::lab -> dev-libs/yang-1::lab.',
        'Portage knows no USE flag that breaks it: build one of them with fewer flags first, or mask the version that closes the circle.',
      ],
    ],
    [
      'a set that nobody knows',
      [
        ['@nothing'],
        'unknown-set',
        'The package set @nothing is not known.',
        'Sets of the profile stand in its folder sets/.',
      ],
    ],
  ])('tells of %s', async (_what, [atoms, code, sentence, help]) => {
    expect(await said(...atoms)).toEqual([code, `${sentence} ${help}`]);
  });

  it('names every line at once, at any depth, and with them there is a plan', async () => {
    const atoms = ['app-misc/wants-young', 'dev-libs/closed', 'app-misc/wants-ssl'];
    const problems = await problemsOf(...atoms);
    expect(
      problems.flatMap((each) => (typeof each === 'object' && 'fixes' in each ? each.fixes : [])),
    ).toEqual([
      { file: 'package.license', line: '=dev-libs/closed-1 Closed' },
      { file: 'package.accept_keywords', line: '=dev-libs/young-1 ~amd64' },
      { file: 'package.accept_keywords', line: '=dev-libs/younger-1 ~amd64' },
      { file: 'package.use', line: '>=dev-libs/flags-1 ssl' },
    ]);
    await follow(problems);
    expect(await plan(...atoms)).toMatchObject({ ok: true, problems: [] });
  });

  it('does not take a PDEPEND that leads back for a circle', async () => {
    const found = await plan('app-misc/host');
    const { jobs } = planFromPortage(found, new Map());
    expect(jobs.map(({ name, needs }) => [name, needs.map((need) => jobs[need]?.name)])).toEqual([
      ['app-misc/host-1', []],
      ['app-misc/plug-1', ['app-misc/host-1']],
    ]);
  });

  it('upgrades what a soft blocker wants newer', async () => {
    const installed = await prefix.emerge(['--oneshot', '=app-misc/part-1']);
    expect([installed.exitCode, installed.stderr]).toEqual([0, expect.anything()]);
    const found = await plan('app-misc/upgraded', 'app-misc/part');
    expect(found.packages.map(({ cpv }) => cpv).toSorted()).toEqual([
      'app-misc/part-2',
      'app-misc/upgraded-1',
    ]);
  });
});
