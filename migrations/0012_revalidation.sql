-- What the rules of platforms, as they are now, have against posts that are
-- scheduled, and how far each channel has been looked at by them.

-- +goose Up
create table channel_checks (
  tenant_id       text collate "C" not null default app_tenant(),
  channel_id      text collate "C" not null,
  rules           text collate "C" not null,             -- fingerprint of the manifest
  channel_version integer not null,
  after_post      text collate "C" not null default '',  -- the last that was checked
  done            boolean not null,
  checked_at      timestamptz not null default now(),
  primary key (tenant_id, channel_id),
  foreign key (tenant_id, channel_id) references channels on delete cascade
);

alter table channel_checks enable row level security;
alter table channel_checks force row level security;
create policy tenant on channel_checks
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on channel_checks for select to carillon_system using (true);
grant select, insert, update, delete on channel_checks to carillon_app;
grant select on channel_checks to carillon_system;
grant select (version) on channels to carillon_system;

create table post_findings (
  tenant_id    text collate "C" not null default app_tenant(),
  post_id      text collate "C" not null,
  channel_id   text collate "C" not null,
  post_version integer not null,                         -- of another it says nothing
  violations   jsonb not null,
  found_at     timestamptz not null default now(),
  primary key (tenant_id, post_id, channel_id),
  foreign key (tenant_id, post_id) references posts on delete cascade
);

alter table post_findings enable row level security;
alter table post_findings force row level security;
create policy tenant on post_findings
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
grant select, insert, update, delete on post_findings to carillon_app;

-- +goose Down
drop table post_findings;
drop table channel_checks;
revoke select (version) on channels from carillon_system;
