-- Archives of all that a tenant owns. The bytes are in the blob store; a row
-- says how far one is, and who is at it, so that another process goes on when
-- that one is gone.

-- +goose Up
create table exports (
  tenant_id        text collate "C" not null default app_tenant(),
  id               text collate "C" not null,
  job_id           text collate "C" not null,
  state            text not null,
  include_children boolean not null,
  covers           text[] collate "C" not null,     -- this tenant, and those below whom the asker owns
  requested_by     text not null,
  stage            text not null default '',        -- what is being written
  done             integer not null default 0,      -- parts of total
  total            integer not null default 0,
  rows             bigint not null default 0,
  bytes            bigint not null default 0,
  sha256           text not null default '',
  attempt          integer not null default 0,      -- fences who was slow; part of the archive's name
  leased_until     timestamptz not null,            -- past it, nobody is at it
  created_at       timestamptz not null,
  finished_at      timestamptz,
  expires_at       timestamptz,                     -- of the archive
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint exports_state check (state in ('running', 'ready', 'failed', 'expired'))
);
create unique index exports_running on exports (tenant_id) where state = 'running';
create index exports_left on exports (leased_until) where state = 'running';
create index exports_expiry on exports (expires_at) where state = 'ready';

alter table exports enable row level security;
alter table exports force row level security;
create policy tenant on exports
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on exports for select to carillon_system using (true);
grant select, insert, update on exports to carillon_app;
grant select on exports to carillon_system;

-- What an operator decided of a tenant is the tenant's to know.
grant select on tier_grants, feature_overrides to carillon_app;

-- +goose Down
revoke select on tier_grants, feature_overrides from carillon_app;
drop table exports;
