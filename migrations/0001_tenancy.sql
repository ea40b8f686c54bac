-- The tree of tenants, who belongs where, and what custom roles may do.
--
-- Roles (made by postgres.Migrate before the first file runs):
--   carillon_owner   owns every table; runs migrations and nothing else
--   carillon_app     serves requests; sees one tenant per transaction
--   carillon_system  the few paths across tenants, listed in adapters/postgres/system.go

-- +goose Up

-- The tenant of the current transaction; null opens no door.
create function app_tenant() returns text stable parallel safe language sql
  return nullif(current_setting('app.tenant_id', true), '');

grant execute on function app_tenant() to carillon_app, carillon_system;

create table tenants (
  tenant_id     text collate "C" not null default app_tenant(),
  parent_id     text collate "C",                  -- no foreign key: no reference crosses tenants
  ancestors     text[] collate "C" not null,       -- from the root to this tenant itself
  kind          text not null,
  name          text not null,
  tier          text,                              -- null: that of the nearest ancestor
  state         text not null default 'active',
  state_reason  text not null default '',
  paused        boolean not null default false,
  paused_reason text not null default '',
  settings      jsonb not null default '{}',
  authz_version bigint not null default 1,         -- bumped by every change of a member or role
  version       integer not null default 1,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  primary key (tenant_id),
  constraint tenants_kind check (kind in ('operator', 'reseller', 'agency', 'workspace')),
  constraint tenants_tier check (tier in ('free', 'creator', 'pro', 'agency')),
  constraint tenants_state check (state in ('active', 'suspended')),
  constraint tenants_name check (char_length(name) between 1 and 120),
  constraint tenants_path check (
    ancestors[cardinality(ancestors)] = tenant_id
    and cardinality(ancestors) between 1 and 4
    and parent_id is not distinct from ancestors[cardinality(ancestors) - 1])
);
create index tenants_children on tenants (parent_id, tenant_id);
create index tenants_operator on tenants (tenant_id) where kind = 'operator';

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on tenants to carillon_system using (true) with check (true);
-- Place, plan and state are not a tenant's own to change.
grant select, update (name, settings, paused, paused_reason, authz_version, version, updated_at) on tenants to carillon_app;
grant select, insert, update (tier, state, state_reason, paused, paused_reason, authz_version, version, updated_at) on tenants to carillon_system;

create table memberships (
  tenant_id  text collate "C" not null default app_tenant(),
  user_id    text collate "C" not null,
  role       text not null,                        -- built in, or "custom:" and a name in roles
  granted_by text not null,                        -- a user, a key or "system"
  version    integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, user_id),
  foreign key (tenant_id) references tenants,
  constraint memberships_role check (
    role in ('owner', 'admin', 'manager', 'editor', 'approver', 'client', 'viewer') or role like 'custom:%')
);
create index memberships_user on memberships (user_id, tenant_id);
create index memberships_role_of on memberships (tenant_id, role);

alter table memberships enable row level security;
alter table memberships force row level security;
create policy tenant on memberships
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on memberships to carillon_system using (true) with check (true);
grant select, insert, update, delete on memberships to carillon_app;
grant select, insert on memberships to carillon_system;

create table roles (
  tenant_id  text collate "C" not null default app_tenant(),
  name       text collate "C" not null,            -- without the "custom:" of memberships.role
  title      text not null,
  actions    text[] not null,
  version    integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, name),
  foreign key (tenant_id) references tenants,
  constraint roles_name check (name ~ '^[a-z][a-z0-9-]{0,39}$')
);

alter table roles enable row level security;
alter table roles force row level security;
create policy tenant on roles
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on roles for select to carillon_system using (true);
grant select, insert, update, delete on roles to carillon_app;
grant select on roles to carillon_system;

-- +goose Down
drop table roles;
drop table memberships;
drop table tenants;
drop function app_tenant();
