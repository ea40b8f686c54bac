-- The realm of those who run the installation: their own accounts and sessions,
-- and what they decide for everybody.

-- +goose Up

create table operators (
  id            text collate "C" not null primary key,
  email         text collate "C" not null,          -- lower case, ASCII
  name          text not null,
  password_hash text not null default '',           -- empty: not chosen yet
  link_hash     bytea,                              -- SHA-256 of the link to choose one with
  link_expires  timestamptz,
  factor        bytea,                              -- the secret of codes, sealed
  enrolled_at   timestamptz,                        -- when a first code was right
  factor_step   bigint not null default 0,          -- of the last code that was used
  created_at    timestamptz not null,
  constraint operators_email unique (email)
);

create table operator_sessions (
  id          text collate "C" not null primary key,
  operator_id text collate "C" not null references operators on delete cascade,
  hash        bytea not null unique,                -- SHA-256 of the token
  agent       text not null,
  address     text not null,
  created_at  timestamptz not null,
  seen_at     timestamptz not null,
  expires_at  timestamptz not null
);
create index operator_sessions_of on operator_sessions (operator_id, id);
create index operator_sessions_expiry on operator_sessions (expires_at);

create table impersonations (
  id          text collate "C" not null primary key,
  operator_id text collate "C" not null references operators on delete cascade,
  session_id  text collate "C" not null references operator_sessions on delete cascade,
  hash        bytea not null unique,
  user_id     text collate "C" not null,
  tenant      text collate "C" not null,            -- where; no tenant's row, and no reference to one
  reason      text not null,
  created_at  timestamptz not null,
  expires_at  timestamptz not null
);
create index impersonations_expiry on impersonations (expires_at);
create index impersonations_session on impersonations (session_id);

create table address_blocks (
  id         text collate "C" not null primary key,
  range      cidr not null unique,
  reason     text not null,
  created_by text collate "C" not null,
  created_at timestamptz not null,
  expires_at timestamptz                            -- null: until it is lifted
);

create table feature_flags (
  name        text collate "C" not null primary key,
  description text not null,
  on_for_all  boolean not null,
  updated_by  text collate "C" not null,
  updated_at  timestamptz not null,
  constraint feature_flags_name check (name ~ '^[a-z][a-z0-9_.-]{0,63}$')
);

create table maintenance (
  one           boolean not null primary key default true check (one),
  on_now        boolean not null,
  message       text not null,
  retry_after   interval not null,
  stop_publish  boolean not null,
  holds         boolean not null,                   -- it was this that paused publishing
  updated_by    text collate "C" not null,
  updated_at    timestamptz not null
);

grant select, insert, update, delete on operators, operator_sessions, impersonations, address_blocks, feature_flags, maintenance to carillon_system;

create table feature_overrides (
  tenant_id  text collate "C" not null default app_tenant(),
  flag       text collate "C" not null references feature_flags on delete cascade,
  is_on      boolean not null,
  updated_by text collate "C" not null,
  updated_at timestamptz not null,
  primary key (tenant_id, flag)
);
create index feature_overrides_flag on feature_overrides (flag, tenant_id);

alter table feature_overrides enable row level security;
alter table feature_overrides force row level security;
create policy tenant on feature_overrides
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on feature_overrides to carillon_system using (true) with check (true);
grant select, insert, update, delete on feature_overrides to carillon_system;

create table tier_grants (
  tenant_id  text collate "C" not null default app_tenant(),
  tier       text not null,
  was        text,                                  -- the tenant's own before; null: that of the nearest ancestor
  reason     text not null,
  granted_by text collate "C" not null,
  granted_at timestamptz not null,
  until      timestamptz not null,
  primary key (tenant_id),
  constraint tier_grants_tier check (tier in ('free', 'creator', 'pro', 'agency'))
);
create index tier_grants_until on tier_grants (until);

alter table tier_grants enable row level security;
alter table tier_grants force row level security;
create policy tenant on tier_grants
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on tier_grants to carillon_system using (true) with check (true);
grant select, insert, update, delete on tier_grants to carillon_system;

alter table users
  add column suspended_at timestamptz,
  add column suspended_reason text not null default '';

-- +goose Down
alter table users drop column suspended_at, drop column suspended_reason;
drop table tier_grants;
drop table feature_overrides;
drop table maintenance;
drop table feature_flags;
drop table address_blocks;
drop table impersonations;
drop table operator_sessions;
drop table operators;
