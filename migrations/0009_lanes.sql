-- The dispatcher's index, in the order it looks: by the minute in which
-- something is due, then tenant, then channel. So a claim goes from one channel
-- with due work to the next in one step each, however much of it there is, and
-- meets none whose time is later than this minute.
--
-- Within a channel's minute it has first what is in doubt, which may be looked
-- at even where nothing may leave; then what has begun; then what has not.

-- +goose Up
create index segments_lanes on segments (
  date_trunc('minute', next_at at time zone 'UTC'), tenant_id, channel_id,
  (case when state in ('sending', 'unknown') then 0 when state = 'scheduled' and position = 0 then 2 else 1 end),
  next_at) where next_at is not null;
drop index segments_due;

-- +goose Down
create index segments_due on segments (next_at, tenant_id) where next_at is not null;
drop index segments_lanes;
