-- Whether an address is a member's of the tenant of the transaction: the one
-- thing about addresses that a tenant may ask. Those who may are shown the
-- members' addresses anyway, and of everybody else's the answer is no.

-- +goose Up
-- +goose StatementBegin
create function member_at(address text) returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select 1 from memberships m join users u on u.id = m.user_id where m.tenant_id = app_tenant() and u.email = address)
$$;
-- +goose StatementEnd
revoke execute on function member_at(text) from public;
grant execute on function member_at(text) to carillon_app;

-- +goose Down
drop function member_at(text);
