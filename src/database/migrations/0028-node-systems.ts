export const name = '0028-node-systems';

/**
 * What a node has said of its system besides packages. Whole fleets run the same services with the same files, so these are kept
 * once for each digest.
 */
export const statements: readonly string[] = [
  'alter table node_reports add column system_json text',
  'alter table node_reports add column services_digest text',
  'create index node_reports_by_services on node_reports (services_digest)',
  'create index node_reports_by_installed on node_reports (installed_digest)',
  'create table node_services (digest text primary key, services_json text not null)',
];
