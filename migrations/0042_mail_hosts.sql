-- A host that only letters are from is proven like any other and not served: no
-- pages are there, so it is in nobody's way.

-- +goose Up
alter table domains add column mail boolean not null default false;
-- +goose StatementBegin
create or replace function keep_host() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if coalesce(new.mail, old.mail) then
    return null;
  end if;
  if tg_op <> 'INSERT' and old.state = 'proven' and (tg_op = 'DELETE' or new.state <> 'proven') then
    delete from served_hosts where host = old.host and holder = old.tenant_id;
  elsif tg_op <> 'DELETE' and new.state = 'proven' then
    if tg_op = 'UPDATE' and old.state = 'proven' then
      update served_hosts set canonical = new.canonical where host = new.host and holder = new.tenant_id;
    else
      insert into served_hosts (host, holder, canonical) values (new.host, new.tenant_id, new.canonical);
    end if;
  else
    return null;
  end if;
  perform pg_notify('carillon_hosts', '');
  return null;
end $$;
-- +goose StatementEnd

-- +goose Down
delete from domains where mail;
alter table domains drop column mail;
-- +goose StatementBegin
create or replace function keep_host() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if tg_op <> 'INSERT' and old.state = 'proven' and (tg_op = 'DELETE' or new.state <> 'proven') then
    delete from served_hosts where host = old.host and holder = old.tenant_id;
  elsif tg_op <> 'DELETE' and new.state = 'proven' then
    if tg_op = 'UPDATE' and old.state = 'proven' then
      update served_hosts set canonical = new.canonical where host = new.host and holder = new.tenant_id;
    else
      insert into served_hosts (host, holder, canonical) values (new.host, new.tenant_id, new.canonical);
    end if;
  else
    return null;
  end if;
  perform pg_notify('carillon_hosts', '');
  return null;
end $$;
-- +goose StatementEnd
