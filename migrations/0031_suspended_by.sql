-- Who closed a tenant: what somebody higher closed is not its parent's to open.

-- +goose Up
alter table tenants add column suspended_by text collate "C"; -- a tenant; null: it is open
update tenants set suspended_by = parent_id where state = 'suspended';
grant update (suspended_by) on tenants to carillon_system;

-- +goose Down
alter table tenants drop column suspended_by;
