-- The files that tenants keep. The bytes are in the blob store, under
-- <tenant_id>/media/<id>; a row says uploading before there are any and
-- discarded until the last is gone, so no bytes are ever without a row.

-- +goose Up

create table media (
  tenant_id  text collate "C" not null default app_tenant(),
  id         text collate "C" not null,
  kind       text not null,
  mime       text not null,
  bytes      bigint not null,
  sha256     text not null,
  width      integer not null,
  height     integer not null,
  alt        text not null,
  name       text not null,                        -- as it was called where it came from, for people
  state      text not null,
  created_by text not null,                        -- a user, a key or "system"
  created_at timestamptz not null,
  version    integer not null,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint media_kind check (kind in ('image', 'video', 'audio')),
  constraint media_state check (state in ('uploading', 'ready', 'discarded')),
  constraint media_measured check (bytes > 0 and width >= 0 and height >= 0 and sha256 ~ '^[0-9a-f]{64}$')
);
create index media_ready on media (tenant_id, id) where state = 'ready';
create index media_unready on media (created_at, tenant_id) where state <> 'ready';

alter table media enable row level security;
alter table media force row level security;
create policy tenant on media
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on media for select to carillon_system using (true);
grant select, insert, update, delete on media to carillon_app;
grant select on media to carillon_system;

-- +goose Down
drop table media;
