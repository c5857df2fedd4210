export const name = '0007-retention';

/** What was collected leaves a trace, so that whoever asks for it is told: docs/decisions/0014. */
export const statements: readonly string[] = [
  `create table pins (
    profile text not null,
    channel text not null,
    serial bigint not null,
    author text not null,
    reason text not null,
    created_at bigint not null,
    primary key (profile, channel, serial)
  )`,
  `create table collected_publications (
    profile text not null,
    channel text not null,
    serial bigint not null,
    collected_at bigint not null,
    primary key (profile, channel, serial)
  )`,
  `create table collected_packages (
    id text primary key,
    profile text not null,
    cpv text not null,
    build_id bigint not null,
    collected_at bigint not null
  )`,
  'alter table jobs add column collected_package_id text',
  'create index jobs_by_package on jobs (package_id)',
  'create index request_packages_by_package on request_packages (package_id)',
];
