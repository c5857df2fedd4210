/** Which rooms each room may import. A room may always import itself. */
export const MAY_IMPORT: Record<string, readonly string[]> = {
  support: [],
  gentoo: ['support'],
  config: ['support', 'gentoo'],
  protocol: ['support', 'gentoo'],
  binpkg: ['support', 'gentoo'],
  signing: ['support'],
  database: ['support'],
  journal: ['support', 'database'],
  access: ['support', 'database', 'journal'],
  repository: ['support', 'gentoo', 'binpkg', 'signing', 'database', 'journal'],
  builds: ['support', 'gentoo', 'database', 'journal', 'repository'],
  agent: ['support', 'gentoo', 'config', 'binpkg', 'protocol'],
  keys: ['support', 'journal', 'signing'],
  http: ['support', 'gentoo', 'protocol', 'journal', 'access', 'repository', 'builds', 'keys'],
  cli: ['support', 'gentoo', 'config', 'binpkg', 'signing', 'protocol'],
};
