-- Who was told that a platform ends the version of its API that is spoken, what
-- became of posts that a platform took back, and ways to look by platform.

-- +goose Up
create table sunset_notices (
  tenant_id   text collate "C" not null default app_tenant(),
  platform    text not null,
  api_version text not null,
  sunset      date not null,
  told_at     timestamptz not null default now(),
  primary key (tenant_id, platform, api_version, sunset)
);

alter table sunset_notices enable row level security;
alter table sunset_notices force row level security;
create policy tenant on sunset_notices
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on sunset_notices for select to carillon_system using (true);
grant select, insert on sunset_notices to carillon_app;
grant select on sunset_notices to carillon_system;

-- Rules and sunsets are of platforms: what they concern is looked for across tenants.
create index channels_platform on channels (platform, tenant_id, id) where state <> 'disconnected';

alter table segments
  drop constraint segments_visibility,
  add constraint segments_visibility check (visibility in ('', 'processing', 'in_review', 'refused')) not valid;

-- +goose Down
alter table segments drop constraint segments_visibility;
update segments set visibility = '' where visibility = 'refused';
alter table segments
  add constraint segments_visibility check (visibility in ('', 'processing', 'in_review')) not valid;
drop index channels_platform;
drop table sunset_notices;
