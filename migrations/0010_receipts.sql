-- What a platform said besides "it is there": that nobody sees it yet, and what
-- it left out. Which request asked for it. And the means to forget allowances
-- that nobody draws on any more.

-- +goose Up
alter table segments
  add column visibility text not null default '',  -- '' visible, or processing, in_review
  add column warnings jsonb,                       -- a list of sentences
  add column trace text not null default '',       -- of the request that planned it, as a traceparent; '' if it was not traced
  add constraint segments_visibility check (visibility in ('', 'processing', 'in_review')) not valid;

create policy purge on channel_quotas for delete to carillon_system using (true);
create policy purge_find on channel_quotas for select to carillon_system using (true);
grant select (width, slot, parked_until), delete on channel_quotas to carillon_system;

-- +goose Down
revoke all on channel_quotas from carillon_system;
drop policy purge_find on channel_quotas;
drop policy purge on channel_quotas;
alter table segments drop column visibility, drop column warnings, drop column trace;
