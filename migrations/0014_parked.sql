-- Due rows of closed channels (paused, suspended, disconnected, not allowed)
-- stand apart, so that nobody's claim walks past them. A claim that meets one
-- parks it: parked_for is the due time at which it was met. Whatever gives the
-- row another due time, or none, thereby ends that, without knowing of it.
--
-- Nobody has to be told when a channel opens: each claim also looks at the
-- parked rows, in one step per channel, because nothing planned for later is
-- among them.

-- +goose Up
alter table segments add column parked_for timestamptz;
grant select (parked_for), update (parked_for) on segments to carillon_system;

create index segments_waiting on segments (
  date_trunc('minute', next_at at time zone 'UTC'), tenant_id, channel_id,
  (case when state in ('sending', 'unknown') then 0 when state = 'scheduled' and position = 0 then 2 else 1 end),
  next_at) where next_at is not null and parked_for is distinct from next_at;
-- The rest of what is out first, then what waited longest.
create index segments_parked on segments (tenant_id, channel_id, position desc, due_at) where parked_for = next_at;
drop index segments_lanes;

-- What is planned and has not begun, by channel: what to check again when the
-- rules of a channel change.
create index segments_planned on segments (tenant_id, channel_id, post_id) where state = 'scheduled' and position = 0;

-- platform_closed as a set, of one row or none, so that a statement that asks
-- about many takes it in instead of calling it for each.
-- +goose StatementBegin
create function platform_closures(tenant text, platform text) returns setof text stable parallel safe rows 1 language sql as $$
  select case
           when p.state <> 'enabled' or (p.level <> 'builtin' and p.active = '') then 'platform.disabled'
           when p.id is not null and not coalesce(
             (select w.allowed from plugin_words w join tenants a on a.tenant_id = w.about
               where w.tenant_id = p.tenant_id and w.plugin = p.id and w.about = any (t.ancestors)
               order by cardinality(a.ancestors) desc limit 1),
             coalesce((select a.tier from tenants a where a.tenant_id = any (t.ancestors) and a.tier is not null
                        order by cardinality(a.ancestors) desc limit 1), 'free') = any (p.tiers)) then 'platform.not_included'
           else 'platform.switched_off'
         end
    from tenants t
    left join (plugins p join tenants o on o.tenant_id = p.tenant_id and o.kind = 'operator') on p.id = $2
   where t.tenant_id = $1
     and (p.state <> 'enabled' or (p.level <> 'builtin' and p.active = '')
          or p.id is not null and not coalesce(
             (select w.allowed from plugin_words w join tenants a on a.tenant_id = w.about
               where w.tenant_id = p.tenant_id and w.plugin = p.id and w.about = any (t.ancestors)
               order by cardinality(a.ancestors) desc limit 1),
             coalesce((select a.tier from tenants a where a.tenant_id = any (t.ancestors) and a.tier is not null
                        order by cardinality(a.ancestors) desc limit 1), 'free') = any (p.tiers))
          or exists (select from plugin_choices c where c.tenant_id = any (t.ancestors) and c.plugin = $2 and not c.wanted)
          or p.opt_in and not exists (select from plugin_choices c where c.tenant_id = any (t.ancestors) and c.plugin = $2 and c.wanted))
$$;
-- +goose StatementEnd
grant execute on function platform_closures(text, text) to carillon_system;

-- +goose Down
drop function platform_closures(text, text);
create index segments_lanes on segments (
  date_trunc('minute', next_at at time zone 'UTC'), tenant_id, channel_id,
  (case when state in ('sending', 'unknown') then 0 when state = 'scheduled' and position = 0 then 2 else 1 end),
  next_at) where next_at is not null;
drop index segments_planned;
drop index segments_parked;
drop index segments_waiting;
alter table segments drop column parked_for;
