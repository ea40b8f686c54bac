-- Connected accounts, what platforms granted for them, and the tenants' data keys.

-- +goose Up

-- Each tenant's secrets are sealed with keys of its own, which are themselves
-- sealed with a key that is never in this database.
create table tenant_keys (
  tenant_id   text collate "C" not null default app_tenant(),
  number      integer not null,                     -- secrets name the key they were sealed with
  kek_version integer not null,                     -- the key-encryption key it is wrapped by
  wrapped     bytea not null,
  created_at  timestamptz not null default now(),
  primary key (tenant_id, number),
  foreign key (tenant_id) references tenants,
  constraint tenant_keys_number check (number > 0)
);
create index tenant_keys_rotation on tenant_keys (kek_version);

alter table tenant_keys enable row level security;
alter table tenant_keys force row level security;
create policy tenant on tenant_keys
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on tenant_keys to carillon_system using (true) with check (true);
grant select, insert on tenant_keys to carillon_app;
grant select, update on tenant_keys to carillon_system;

-- What one sign-in handed over. Channels rest on it.
create table channel_grants (
  tenant_id    text collate "C" not null default app_tenant(),
  id           text collate "C" not null,
  platform     text not null,
  instance     text not null default '',
  app_tenant   text collate "C" not null default '', -- whose app it was given to; '' if none
  sealed       bytea not null,
  generation   bigint not null,                      -- bumped by every renewal; part of what sealed is bound to
  scopes       text[] not null default '{}',
  expires_at   timestamptz,
  refresh_at   timestamptz,                          -- null: never
  refreshed_at timestamptz,
  failures     integer not null default 0,
  problem      text not null default '',
  leased_until timestamptz,                          -- somebody is renewing it
  fence        bigint not null default 0,            -- bumped by every lease
  created_at   timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint channel_grants_sealed check (octet_length(sealed) > 0)
);
create index channel_grants_due on channel_grants (refresh_at) where refresh_at is not null;

alter table channel_grants enable row level security;
alter table channel_grants force row level security;
create policy tenant on channel_grants
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on channel_grants for select to carillon_system using (true);
grant select, insert, update, delete on channel_grants to carillon_app;
grant select (tenant_id, id, refresh_at, leased_until) on channel_grants to carillon_system;

-- The journal of renewals: one row per lease.
create table channel_renewals (
  tenant_id  text collate "C" not null default app_tenant(),
  grant_id   text collate "C" not null,
  fence      bigint not null,
  generation bigint not null,
  started_at timestamptz not null default clock_timestamp(),
  ended_at   timestamptz,
  outcome    text not null default '',
  primary key (tenant_id, grant_id, fence),
  foreign key (tenant_id, grant_id) references channel_grants on delete cascade
);

alter table channel_renewals enable row level security;
alter table channel_renewals force row level security;
create policy tenant on channel_renewals
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
grant select, insert, update, delete on channel_renewals to carillon_app;

create table channels (
  tenant_id    text collate "C" not null default app_tenant(),
  id           text collate "C" not null,
  platform     text not null,
  instance     text not null default '',
  home         text not null default '',            -- where account_id means this account; '': everywhere
  account_id   text not null,
  account      jsonb not null,
  name         text not null,
  grant_id     text collate "C",
  scopes       text[] not null default '{}',
  state        text not null,
  reason       text not null default '',
  remedy       text not null default '',
  paused       boolean not null default false,
  paused_by    text not null default '',
  paused_on    text not null default '',
  connected_by text collate "C" not null default '',
  connected_at timestamptz,
  version      integer not null,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  foreign key (tenant_id, grant_id) references channel_grants,
  constraint channels_account unique (tenant_id, platform, home, account_id),
  constraint channels_state check (state in ('connected', 'needs_reconnect', 'disconnected')),
  constraint channels_granted check ((state = 'disconnected') = (grant_id is null))
);
create index channels_grant on channels (tenant_id, grant_id);

alter table channels enable row level security;
alter table channels force row level security;
create policy tenant on channels
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
grant select, insert, update, delete on channels to carillon_app;

-- Attempts to sign in.
create table channel_connections (
  tenant_id    text collate "C" not null default app_tenant(),
  id           text collate "C" not null,
  platform     text not null,
  instance     text not null default '',
  stage        text not null,
  form         jsonb,
  choices      jsonb not null default '[]',
  channels     text[] collate "C" not null default '{}',
  reason       text not null default '',
  message      text not null default '',
  return_url   text not null default '',
  reconnect    text collate "C" not null default '',
  user_id      text collate "C" not null default '',
  key_id       text collate "C" not null default '',
  state_hash   bytea,
  binding_hash bytea,
  sealed       bytea,
  version      integer not null,
  created_at   timestamptz not null,
  expires_at   timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint channel_connections_stage check (stage in ('redirect', 'form', 'choice', 'done', 'failed'))
);
create index channel_connections_state on channel_connections (state_hash) where state_hash is not null;
create index channel_connections_expiry on channel_connections (expires_at);

alter table channel_connections enable row level security;
alter table channel_connections force row level security;
create policy tenant on channel_connections
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on channel_connections to carillon_system using (true) with check (true);
grant select, insert, update, delete on channel_connections to carillon_app;
grant select (tenant_id, id, state_hash, expires_at), delete on channel_connections to carillon_system;

-- How a tenant, and those below it, are known to a platform.
create table channel_apps (
  tenant_id  text collate "C" not null default app_tenant(),
  platform   text not null,
  instance   text not null default '',
  client_id  text not null default '',
  settings   jsonb not null default '{}',
  sealed     bytea,
  registered text not null default '',
  version    integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, platform, instance),
  foreign key (tenant_id) references tenants
);

alter table channel_apps enable row level security;
alter table channel_apps force row level security;
create policy tenant on channel_apps
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
grant select, insert, update, delete on channel_apps to carillon_app;

-- Allowances of a tenant and of its accounts. A window is cut into 16 slots;
-- counts holds the current one and the 16 before it, newest first.
create table channel_quotas (
  tenant_id    text collate "C" not null default app_tenant(),
  platform     text not null,
  name         text not null,
  scope        text not null,
  subject      text not null,
  width        double precision not null default 0, -- of a slot, in seconds
  slot         bigint not null default 0,           -- seconds since 1970 / width
  counts       integer[] not null default '{}',
  parked_until timestamptz,
  primary key (tenant_id, platform, name, scope, subject),
  foreign key (tenant_id) references tenants
);

alter table channel_quotas enable row level security;
alter table channel_quotas force row level security;
create policy tenant on channel_quotas
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
grant select, insert, update, delete on channel_quotas to carillon_app;

-- The same for apps, which tenants share.
create table app_quotas (
  platform     text not null,
  name         text not null,
  scope        text not null,
  subject      text not null,
  width        double precision not null default 0,
  slot         bigint not null default 0,
  counts       integer[] not null default '{}',
  parked_until timestamptz,
  primary key (platform, name, scope, subject)
);
grant select, insert, update, delete on app_quotas to carillon_system;

-- +goose Down
drop table app_quotas;
drop table channel_quotas;
drop table channel_apps;
drop table channel_connections;
drop table channels;
drop table channel_renewals;
drop table channel_grants;
drop table tenant_keys;
