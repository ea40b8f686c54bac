-- What one object on a platform may stand for, since when a person wants it to
-- go out, and whether this is still the database that it was.

-- +goose Up

-- A person's order, later than the due time: what failed for a day may have
-- another one.
alter table segments add column ordered_at timestamptz;

-- An object is the receipt of one segment. Whoever looks for a lost one may find
-- another that says the same; what a second one claims is not its own. Of those
-- that had it before this rule the later keeps the address alone.
alter table segments no force row level security; -- of all tenants, for this statement
update segments s set ref = jsonb_set(s.ref, '{id}', '""')
 where s.ref->>'id' <> '' and exists (
   select from segments o where o.tenant_id = s.tenant_id and o.channel_id = s.channel_id
      and o.ref->>'id' = s.ref->>'id' and (o.live_at, o.segment_id) < (s.live_at, s.segment_id));
alter table segments force row level security;
create unique index segments_ref on segments (tenant_id, channel_id, (ref->>'id')) where ref->>'id' <> '';

-- What a restored database doubts is in doubt at once; see restore.go.
grant update (state, problem), select (verify, holder, problem, called_at) on segments to carillon_system;

-- Which history of which database this is. The history, or timeline, is a new
-- one after a failover and after a restore to a point in time; it is the one
-- being written, which the control file learns only at the next checkpoint.
-- +goose StatementBegin
create function served_here(out identifier text, out timeline integer) stable language sql as $$
  select s.system_identifier || '/' || d.oid, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
    from pg_control_system() s, pg_database d where d.datname = current_database()
$$;

-- In front of each claim: nothing is handed out by a database that is not the
-- one that was served from last, until CheckIdentity has said what that means.
create function same_database() returns void stable language plpgsql as $$
begin
  if exists (select from database_identity i, served_here() h where (i.identifier, i.timeline) is distinct from (h.identifier, h.timeline)) then
    raise exception 'this is not the database that was served from last' using errcode = 'CA001';
  end if;
end $$;
-- +goose StatementEnd
revoke execute on function served_here(), same_database() from public;
grant execute on function served_here(), same_database() to carillon_system;

-- +goose Down
drop function same_database();
drop function served_here();
revoke update (state, problem), select (verify, holder, problem, called_at) on segments from carillon_system;
drop index segments_ref;
alter table segments drop column ordered_at;
