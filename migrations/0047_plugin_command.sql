-- +goose Up
-- How a version is run, which an upgrade may change. Null: it came in before
-- this was kept.
alter table plugin_versions add column command text[];

-- +goose Down
alter table plugin_versions drop column command;
