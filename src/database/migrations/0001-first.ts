/** `bigint` is INTEGER in SQLite and int8 in PostgreSQL; the identity column differs and is filled in. */
export const name = '0001-first';

export const statements: readonly string[] = [
  `create table packages (
    id text primary key,
    profile text not null,
    category text not null,
    pn text not null,
    cpv text not null,
    slot text not null,
    build_id bigint not null,
    path text not null,
    size bigint not null,
    md5 text not null,
    sha1 text not null,
    sha512 text not null,
    mtime_seconds bigint not null,
    build_time_seconds bigint not null,
    upload_sha512 text not null,
    key_fingerprint text not null,
    inputs text,
    origin text not null,
    metadata_json text not null,
    stanza text not null,
    search_text text not null default '',
    imported_at bigint not null,
    unique (profile, cpv, build_id),
    unique (profile, upload_sha512),
    unique (profile, path)
  )`,
  'create index packages_by_inputs on packages (profile, inputs)',
  'create index packages_by_digest on packages (sha512)',
  `create table build_ids (
    profile text not null,
    cpv text not null,
    last_build_id bigint not null,
    primary key (profile, cpv)
  )`,
  `create table snapshots (
    id text primary key,
    profile text not null,
    created_at bigint not null,
    author text not null,
    reason text not null,
    origin text not null,
    package_count bigint not null
  )`,
  `create table snapshot_packages (
    snapshot_id text not null references snapshots (id),
    package_id text not null references packages (id),
    primary key (snapshot_id, package_id)
  )`,
  'create index snapshot_packages_by_package on snapshot_packages (package_id)',
  `create table publications (
    profile text not null,
    channel text not null,
    serial bigint not null,
    snapshot_id text not null references snapshots (id),
    timestamp_seconds bigint not null,
    created_at bigint not null,
    author text not null,
    reason text not null,
    kind text not null,
    request_id text,
    primary key (profile, channel, serial)
  )`,
  'create unique index publications_by_request on publications (request_id, channel) where request_id is not null',
  `create table requests (
    id text primary key,
    profile text not null,
    atoms_json text not null,
    rebuild bigint not null,
    publish_channel text,
    state text not null,
    reason text,
    author text not null,
    created_at bigint not null,
    finished_at bigint,
    profile_json text not null,
    plan_json text,
    cancelled_by text
  )`,
  'create index requests_by_state on requests (state)',
  'create index requests_by_time on requests (created_at)',
  `create table jobs (
    id text primary key,
    request_id text not null references requests (id),
    kind text not null,
    position bigint not null,
    name text not null,
    executor text not null,
    spec_json text not null,
    state text not null,
    reason text,
    attempt bigint not null,
    agent text,
    lease_expires_at bigint,
    created_at bigint not null,
    started_at bigint,
    finished_at bigint,
    package_id text references packages (id)
  )`,
  'create index jobs_by_request on jobs (request_id, position)',
  'create index jobs_by_state on jobs (state)',
  `create table job_needs (
    job_id text not null references jobs (id),
    needs_job_id text not null references jobs (id),
    primary key (job_id, needs_job_id)
  )`,
  'create index job_needs_reversed on job_needs (needs_job_id)',
  `create table attempts (
    job_id text not null references jobs (id),
    attempt bigint not null,
    agent text not null,
    started_at bigint not null,
    heard_at bigint,
    finished_at bigint,
    outcome text,
    reason text,
    primary key (job_id, attempt)
  )`,
  `create table request_packages (
    request_id text not null references requests (id),
    package_id text not null references packages (id),
    how text not null,
    primary key (request_id, package_id)
  )`,
  `create table agents (
    name text primary key,
    description_json text not null,
    registered_at bigint not null,
    last_seen_at bigint not null
  )`,
  `create table tokens (
    name text primary key,
    role text not null,
    digest text not null unique,
    created_at bigint not null,
    revoked_at bigint
  )`,
  `create table events (
    seq $identity,
    at bigint not null,
    kind text not null,
    subject text not null,
    actor text not null,
    data_json text not null
  )`,
  'create index events_by_subject on events (subject, seq)',
];
