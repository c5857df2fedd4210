export const name = '0026-rollouts';

/** Rollouts, their units, and the journal of what is done to nodes and balancers: docs/decisions/0034. */
export const statements: readonly string[] = [
  `create table rollouts (
    id text primary key,
    kind text not null,
    state text not null,
    head_json text not null,
    unit_count bigint not null,
    before_json text not null,
    created_at bigint not null,
    created_by text not null,
    reason text not null,
    because text,
    stage text,
    started_at bigint,
    started_by text,
    resumed_at bigint,
    ended_at bigint,
    runner text,
    waits_json text not null
  )`,
  'create index rollouts_by_state on rollouts (state)',
  `create table rollout_stages (
    rollout text not null references rollouts (id),
    position bigint not null,
    stage text not null,
    type text not null,
    title text not null,
    soak_seconds bigint not null,
    ended_at bigint,
    passed_at bigint,
    primary key (rollout, position)
  )`,
  `create table rollout_units (
    rollout text not null references rollouts (id),
    position bigint not null,
    unit text not null,
    stage_position bigint not null,
    unit_json text not null,
    state text not null,
    step text,
    started_at bigint,
    ended_at bigint,
    because text,
    primary key (rollout, position)
  )`,
  `create table rollout_steps (
    rollout text not null,
    unit bigint not null,
    step text not null,
    direction text not null,
    part bigint not null,
    node text not null,
    intended_at bigint not null,
    ended_at bigint,
    note text,
    outcome text,
    output text,
    primary key (rollout, unit, step, direction, part, node),
    foreign key (rollout, unit) references rollout_units (rollout, position)
  )`,
  `create table rollout_approvals (
    rollout text not null references rollouts (id),
    of_stage text not null,
    author text not null,
    at bigint not null,
    primary key (rollout, of_stage)
  )`,
  `create table rollout_locks (
    name text primary key,
    rollout text not null references rollouts (id),
    owner text not null,
    since bigint not null
  )`,
  'create index rollout_locks_by_rollout on rollout_locks (rollout)',
  `create table held_nodes (
    node text primary key,
    rollout text not null,
    because text not null,
    since bigint not null
  )`,
  `create table balancer_wishes (
    site text not null,
    server text not null,
    admin_state text not null,
    rollout text not null,
    since bigint not null,
    primary key (site, server)
  )`,
  `create table live_backends (
    site text primary key,
    backend text not null,
    rollout text not null,
    since bigint not null
  )`,
];
