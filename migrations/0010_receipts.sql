-- What a platform said besides "it is there": that nobody sees it yet, and what
-- it left out.

-- +goose Up
alter table segments
  add column visibility text not null default '',  -- '' visible, or processing, in_review
  add column warnings jsonb,                       -- a list of sentences
  add constraint segments_visibility check (visibility in ('', 'processing', 'in_review')) not valid;

-- +goose Down
alter table segments drop column visibility, drop column warnings;
