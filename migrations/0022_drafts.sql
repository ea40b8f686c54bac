-- Whoever deletes a file looks for the drafts that show it.

-- +goose Up
create index posts_drafts on posts (tenant_id, post_id) where state = 'draft';

-- +goose Down
drop index posts_drafts;
