-- Who did what, and the chain that shows if anybody rewrote it.
--
-- The application adds entries and reads them; it can neither change nor remove
-- one, nor say when it was written. Entries wait in audit_waiting until the
-- sealer gives them a place: chaining while writing would make a tenant's
-- transactions wait for each other. Nobody but the owner of the tables can
-- change what is sealed, and then the chain shows it.

-- +goose Up

create table audit_entries (
  tenant_id  text collate "C" not null default app_tenant(),
  id         text collate "C" not null,
  actor      text collate "C" not null,
  behind     text collate "C" not null default '',  -- the operator who acted as actor
  action     text collate "C" not null,
  subject    text collate "C" not null,
  detail     jsonb not null,                        -- texts by name
  request_id text collate "C" not null,
  at         timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id)
);
create index audit_entries_actor on audit_entries (tenant_id, actor, id);
create index audit_entries_subject on audit_entries (tenant_id, subject, id);

alter table audit_entries enable row level security;
alter table audit_entries force row level security;
create policy tenant on audit_entries
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on audit_entries for select to carillon_system using (true);
create policy system_record on audit_entries for insert to carillon_system with check (true);
grant select, insert (tenant_id, id, actor, behind, action, subject, detail, request_id) on audit_entries to carillon_app, carillon_system;

create table audit_waiting (
  tenant_id text collate "C" not null default app_tenant(),
  id        text collate "C" not null,
  primary key (tenant_id, id)
);

alter table audit_waiting enable row level security;
alter table audit_waiting force row level security;
create policy tenant on audit_waiting
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on audit_waiting to carillon_system using (true) with check (true);
grant insert on audit_waiting to carillon_app;
grant select, insert, delete on audit_waiting to carillon_system;

create table audit_links (
  tenant_id text collate "C" not null default app_tenant(),
  seq       bigint not null,
  entry_id  text collate "C" not null,
  hash      bytea not null,
  primary key (tenant_id, seq),
  unique (tenant_id, entry_id)
);

alter table audit_links enable row level security;
alter table audit_links force row level security;
create policy tenant on audit_links
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on audit_links for select to carillon_system using (true);
create policy system_seal on audit_links for insert to carillon_system with check (true);
grant select on audit_links to carillon_app;
grant select, insert on audit_links to carillon_system;

create table audit_heads (
  tenant_id text collate "C" not null default app_tenant(),
  seq       bigint not null,
  hash      bytea not null,
  sealed_at timestamptz not null,
  key       text collate "C" not null,
  signature bytea not null,
  primary key (tenant_id, seq, key)                 -- again with each key that came after
);

alter table audit_heads enable row level security;
alter table audit_heads force row level security;
create policy tenant on audit_heads
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on audit_heads for select to carillon_system using (true);
create policy system_seal on audit_heads for insert to carillon_system with check (true);
grant select on audit_heads to carillon_app;
grant select, insert on audit_heads to carillon_system;

-- +goose Down
drop table audit_heads;
drop table audit_links;
drop table audit_waiting;
drop table audit_entries;
