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

-- +goose Down
create index segments_lanes on segments (
  date_trunc('minute', next_at at time zone 'UTC'), tenant_id, channel_id,
  (case when state in ('sending', 'unknown') then 0 when state = 'scheduled' and position = 0 then 2 else 1 end),
  next_at) where next_at is not null;
drop index segments_parked;
drop index segments_waiting;
alter table segments drop column parked_for;
