-- The end of tenants. A row says which are to be erased and how far that is; it
-- outlives them, and names nobody.

-- +goose Up
create table erasures (
  id           text collate "C" not null primary key,
  about        text collate "C" not null,           -- a tenant; no reference to one
  above        text collate "C" not null,           -- the tenant above it
  covers       text[] collate "C" not null,         -- it and all below it, leaves first, once it has begun
  state        text not null,
  asked_by     text collate "C" not null,           -- a user; '' once it is done
  asked_at     timestamptz not null,
  due_at       timestamptz not null,
  stage        text not null default '',
  rows         bigint not null default 0,
  files        bigint not null default 0,
  leased_until timestamptz,                         -- somebody is at it
  ended_at     timestamptz,
  constraint erasures_state check (state in ('waiting', 'running', 'done', 'canceled')),
  constraint erasures_nobody check (state not in ('done', 'canceled') or asked_by = '')
);
create unique index erasures_open on erasures (about) where state in ('waiting', 'running');
create index erasures_due on erasures (due_at) where state in ('waiting', 'running');
grant select, insert, update on erasures to carillon_system;

-- What is left of a tenant goes table by table. No serving role may delete from
-- all of them: this runs as their owner, under the policies of the one tenant,
-- and for nobody who is not being erased.
-- +goose StatementBegin
create function erase_rows(about text, relation text, most integer) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  n bigint;
  was text := current_setting('app.tenant_id', true);
begin
  if not exists (select from erasures e where e.state = 'running' and $1 = any (e.covers)) then
    raise exception 'tenant % is not being erased', about using errcode = 'insufficient_privilege';
  end if;
  if not exists (select from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
                  where c.relname = relation and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relforcerowsecurity) then
    raise exception '% is no table of tenants', relation using errcode = 'insufficient_privilege';
  end if;
  perform set_config('app.tenant_id', about, true);
  execute format('delete from %1$I where tenant_id = $1 and ctid = any (array(select ctid from %1$I where tenant_id = $1 limit $2))', relation)
    using about, most;
  get diagnostics n = row_count;
  perform set_config('app.tenant_id', coalesce(was, ''), true);
  return n;
end $$;
-- +goose StatementEnd
revoke execute on function erase_rows(text, text, integer) from public;
grant execute on function erase_rows(text, text, integer) to carillon_system;

-- What names an erased tenant in rows of others.
grant delete on access_grants to carillon_system;

-- +goose Down
revoke delete on access_grants from carillon_system;
drop function erase_rows(text, text, integer);
drop table erasures;
