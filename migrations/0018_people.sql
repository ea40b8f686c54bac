-- How people come into a tenant and how far: invitations, the offer of
-- ownership, and the access that a tenant grants to the one above it.

-- +goose Up

-- A link to an invitation names its tenant, so nobody looks across tenants to
-- find one. What is kept of the secret in it is a hash.
create table invitations (
  tenant_id   text collate "C" not null default app_tenant(),
  id          text collate "C" not null,
  email       text collate "C" not null,           -- lower case, ASCII
  role        text not null,                       -- as in memberships
  state       text not null,
  invited_by  text collate "C" not null,           -- the person whose right it is; empty: the installation
  actor       text not null,                       -- that person, or the key they used
  hashes      bytea[] not null default '{}',       -- SHA-256 of the secrets that were mailed
  sent        integer not null default 0,          -- letters asked for
  sent_at     timestamptz not null,
  expires_at  timestamptz not null,
  accepted_by text collate "C" not null default '',
  closed_at   timestamptz,
  version     integer not null default 1,
  created_at  timestamptz not null,
  updated_at  timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint invitations_state check (state in ('pending', 'accepted', 'revoked', 'expired')),
  constraint invitations_email check (email = lower(email) and char_length(email) between 3 and 254),
  constraint invitations_role check (
    role in ('admin', 'manager', 'editor', 'approver', 'client', 'viewer') or role like 'custom:%')
);
create unique index invitations_open on invitations (tenant_id, email) where state = 'pending';

alter table invitations enable row level security;
alter table invitations force row level security;
create policy tenant on invitations
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on invitations to carillon_system using (true) with check (true);
grant select, insert, update on invitations to carillon_app;
-- A role that is deleted is replaced where it was promised.
grant select, update (role, version, updated_at) on invitations to carillon_system;

-- One at a time: who is to own the tenant, if they accept.
create table ownership_offers (
  tenant_id  text collate "C" not null default app_tenant(),
  to_user    text collate "C" not null,
  from_user  text collate "C" not null,
  keeps      text not null,                        -- what the offerer is afterwards
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (tenant_id),
  foreign key (tenant_id) references tenants,
  constraint ownership_offers_keeps check (keeps in ('owner', 'admin', 'manager', 'editor', 'viewer', 'none'))
);
alter table ownership_offers enable row level security;
alter table ownership_offers force row level security;
create policy tenant on ownership_offers
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
grant select, insert, update, delete on ownership_offers to carillon_app;

-- What a tenant lets the one above it do inside, for a time. The row is the
-- tenant's own, also while it is a request.
create table access_grants (
  tenant_id  text collate "C" not null default app_tenant(),
  id         text collate "C" not null,
  to_tenant  text collate "C" not null,            -- the parent; no foreign key: no reference crosses tenants
  role       text not null,                        -- the most that anybody of the parent is inside
  reason     text not null,
  state      text not null,
  hours      integer not null,                     -- how long, from the grant on
  until      timestamptz,                          -- null: not granted
  asked_by   text not null default '',             -- of the parent; empty: it was offered
  decided_by text not null default '',
  created_at timestamptz not null,
  decided_at timestamptz,
  version    integer not null default 1,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint access_grants_role check (role in ('manager', 'editor', 'approver', 'client', 'viewer')),
  constraint access_grants_state check (state in ('requested', 'granted', 'declined', 'revoked')),
  constraint access_grants_until check ((until is not null) or state in ('requested', 'declined'))
);
create index access_grants_to on access_grants (to_tenant, id);

alter table access_grants enable row level security;
alter table access_grants force row level security;
create policy tenant on access_grants
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on access_grants to carillon_system using (true) with check (true);
grant select, insert, update on access_grants to carillon_app;
-- Whoever enters is looked up before there is a tenant; a parent asks its child.
grant select, insert on access_grants to carillon_system;

-- A role of an agency counts in its workspaces: where it is deleted, those who
-- have it there get another.
grant update (role, granted_by, version, updated_at) on memberships to carillon_system;
create policy system_change on roles for delete to carillon_system using (true);
grant delete on roles to carillon_system;

-- +goose Down
revoke delete on roles from carillon_system;
drop policy system_change on roles;
revoke update (role, granted_by, version, updated_at) on memberships from carillon_system;
drop table access_grants;
drop table ownership_offers;
drop table invitations;
