-- Keys that stay the same for as long as there is this installation: names that
-- others remember are made with them. They are wrapped as the tenants' are.

-- +goose Up
create table kept_keys (
  name    text collate "C" not null primary key,
  kek     text collate "C" not null,
  wrapped bytea not null
);
grant select, insert, update on kept_keys to carillon_system;
-- +goose StatementBegin
create function admit_kept_key() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('tenant_keys'));
  if exists (select from retired_keys where kek = new.kek) then
    raise exception 'retired' using errcode = 'check_violation', constraint = 'tenant_keys_retired';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger admit_key before insert or update on kept_keys for each row execute function admit_kept_key();

-- +goose Down
drop table kept_keys;
drop function admit_kept_key();
