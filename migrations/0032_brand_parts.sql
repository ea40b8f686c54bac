-- A brand has no logo and no sender yet; columns that nothing reads promise them.

-- +goose Up
alter table brands drop column logo_id, drop column sender_name, drop column sender, drop column reply_to;

-- +goose Down
alter table brands
  add column logo_id text collate "C" not null default '',
  add column sender_name text not null default '',
  add column sender text not null default '',
  add column reply_to text not null default '';
