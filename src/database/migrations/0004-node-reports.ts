export const name = '0004-node-reports';

export const statements: readonly string[] = [
  `create table node_reports (
    node text not null,
    profile text not null,
    channel text not null,
    timestamp_seconds bigint,
    serial bigint,
    reported_at bigint not null,
    installed_count bigint not null,
    installed_json text not null,
    checks_json text not null,
    differs bigint not null,
    differences_json text not null,
    primary key (node, profile)
  )`,
  'create index node_reports_by_channel on node_reports (profile, channel)',
  `create table publication_proofs (
    profile text not null,
    channel text not null,
    serial bigint not null,
    node text not null,
    passed_since bigint,
    last_reported_at bigint not null,
    checks_json text not null,
    primary key (profile, channel, serial, node)
  )`,
  'alter table publications add column forced_json text',
];
