/** Findings of the gate that were let pass, for good. */
export const name = '0003-allowances';

export const statements: readonly string[] = [
  `create table allowances (
    profile text not null,
    channel text not null,
    serial bigint not null,
    finding_id text not null,
    kind text not null,
    message text not null,
    author text not null,
    reason text not null,
    created_at bigint not null,
    primary key (profile, channel, serial, finding_id)
  )`,
];
