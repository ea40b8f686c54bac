-- Keys that wrap data keys have names, since more than one keeper may have them;
-- they are retired, and the data keys of a tenant that is erased are destroyed.

-- +goose Up

-- Null: the number of a master key, as before keys had names.
alter table tenant_keys add column kek text collate "C";
drop index tenant_keys_rotation;
grant delete on tenant_keys to carillon_system;

-- Key-encryption keys that nothing is wrapped by, and nothing may be any more:
-- a process that was started long ago and still has one is refused.
create table retired_keys (
  kek        text collate "C" not null primary key,
  retired_at timestamptz not null default now()
);
grant select, insert, delete on retired_keys to carillon_system;

-- Tenants whose data keys were destroyed. It outlives the tenant.
create table destroyed_keys (
  tenant_id    text collate "C" not null default app_tenant(),
  destroyed_at timestamptz not null default now(),
  primary key (tenant_id)
);

alter table destroyed_keys enable row level security;
alter table destroyed_keys force row level security;
create policy tenant on destroyed_keys
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on destroyed_keys to carillon_system using (true) with check (true);
grant select, insert on destroyed_keys to carillon_system;

-- It reads what the application may not. Whoever destroys or retires holds the
-- lock that this waits for, so a key is refused or seen by them.
-- +goose StatementBegin
create function admit_key() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('tenant_keys'));
  if exists (select from destroyed_keys where tenant_id = new.tenant_id) then
    raise exception 'destroyed' using errcode = 'check_violation', constraint = 'tenant_keys_destroyed';
  end if;
  if exists (select from retired_keys where kek = coalesce(new.kek, 'master/' || new.kek_version::text)) then
    raise exception 'retired' using errcode = 'check_violation', constraint = 'tenant_keys_retired';
  end if;
  return new;
end $$;
-- +goose StatementEnd
revoke execute on function admit_key() from public;
create trigger admit_key before insert or update on tenant_keys for each row execute function admit_key();

-- +goose Down
drop trigger admit_key on tenant_keys;
drop function admit_key();
drop table destroyed_keys;
drop table retired_keys;
revoke delete on tenant_keys from carillon_system;
create index tenant_keys_rotation on tenant_keys (kek_version);
alter table tenant_keys drop column kek;
