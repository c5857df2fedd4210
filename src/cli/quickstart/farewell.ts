import type { Output } from '../output.ts';
import type { ServerClient } from '../server-client.ts';

const STABLE = 'stable';

/** Says what to open in a browser, and how a node becomes a client. */
export async function sayFarewell(
  client: ServerClient,
  profiles: readonly string[],
  output: Output,
): Promise<void> {
  output.line();
  output.line(`Open ${output.paint('bold', `${client.url}/`)} in a browser.`);
  output.line();
  output.line('A Gentoo node becomes a client of a profile with one command, as root:');
  for (const profile of profiles) {
    output.line(`  wget -qO- ${client.url}/setup/${profile}/${STABLE}.sh | sh`);
  }
  output.line();
  output.line(
    'It imports the key, sets FEATURES="getbinpkg binpkg-request-signature" in make.conf,',
  );
  output.line('and puts this into binrepos.conf:');
  for (const profile of profiles) {
    const { uri } = await client.channel(profile, STABLE);
    output.line();
    for (const line of binrepoSection(profile, uri)) {
      output.line(`  ${line}`);
    }
  }
  output.line();
}

/** The section of binrepos.conf that the setup script of a profile writes. */
export function binrepoSection(profile: string, uri: string): string[] {
  const lines = [
    `[rookery-${profile}]`,
    `sync-uri = ${uri}`,
    'priority = 10',
    `location = /var/cache/binhost/rookery-${profile}`,
  ];
  return [...lines.map((line) => line.replaceAll('%', '%%')), 'verify-signature = true'];
}
