import { AppError } from '../support/errors.ts';

/** What of the agent's own environment a build may see: programs are found through it. */
const PASSED_ALWAYS = ['PATH'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** ACCEPT_KEYWORDS and the like are none. */
const SECRET = /TOKEN|PASSW|PASSPHRASE|SECRET|CREDENTIAL|KEY(?!WORD)/i;

/**
 * The environment that every build starts from: PATH, a locale, and the variables that the operator named.
 * Nothing else of this process is inherited, because Portage publishes what a build inherits
 * (`bin/save-ebuild-env.sh`, metadata/environment.bz2); there it takes out `http_proxy`, `https_proxy`, `ftp_proxy`,
 * `no_proxy` and little more.
 *
 * Throws `invalid-environment-name`, `secret-environment-name`.
 */
export function cleanEnvironment(
  passed: readonly string[],
  inherited: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of [...PASSED_ALWAYS, ...passed]) {
    if (!NAME.test(name)) {
      throw new AppError(
        'invalid-environment-name',
        `"${name}" cannot be the name of an environment variable.`,
        { details: { name } },
      );
    }
    if (SECRET.test(name)) {
      throw new AppError(
        'secret-environment-name',
        `${name} looks like a secret, which is not passed to builds: Portage publishes what they inherit.`,
        { details: { name } },
      );
    }
    const value = inherited[name];
    if (value !== undefined && value !== '') {
      environment[name] = value;
    }
  }
  return { ...environment, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TERM: 'dumb' };
}
