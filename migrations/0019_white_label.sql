-- White label: the hosts that tenants have proved to be theirs, and their brands.

-- +goose Up

create table domains (
  tenant_id  text collate "C" not null default app_tenant(),
  id         text collate "C" not null,
  host       text collate "C" not null,            -- as the DNS has it: lower case, ASCII
  token      text not null,                        -- what the proof says; no secret
  state      text not null,
  canonical  boolean not null default false,       -- letters link to it
  problem    text not null default '',             -- what was wrong at the last look
  checked_at timestamptz,
  proven_at  timestamptz,
  lost_at    timestamptz,                          -- since when the proof is missing
  due_at     timestamptz,                          -- the next look; null: when somebody asks
  version    integer not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint domains_state check (state in ('pending', 'proven', 'quarantined')),
  constraint domains_host check (host = lower(host) and char_length(host) between 4 and 253),
  constraint domains_canonical check (not canonical or state = 'proven')
);
create unique index domains_claimed on domains (tenant_id, host);
create unique index domains_one_canonical on domains (tenant_id) where canonical;
create index domains_due on domains (due_at) where due_at is not null;

alter table domains enable row level security;
alter table domains force row level security;
create policy tenant on domains
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on domains for select to carillon_system using (true);
grant select, insert, update, delete on domains to carillon_app;
grant select on domains to carillon_system;

-- What is empty is that of the nearest tenant above that has it.
create table brands (
  tenant_id     text collate "C" not null default app_tenant(),
  product       text not null default '',
  support       text not null default '',          -- an address
  accent        text not null default '',          -- #rrggbb
  surface       text not null default '',
  ink           text not null default '',
  logo_id       text collate "C" not null default '', -- a file of the same tenant
  sender_name   text not null default '',
  sender        text not null default '',          -- an address below a proven host
  reply_to      text not null default '',
  version       integer not null default 1,
  updated_at    timestamptz not null,
  primary key (tenant_id),
  foreign key (tenant_id) references tenants
);
alter table brands enable row level security;
alter table brands force row level security;
create policy tenant on brands
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on brands for select to carillon_system using (true);
grant select, insert, update, delete on brands to carillon_app;
grant select on brands to carillon_system;

-- A host is one tenant's, of all that are here: what is proven stands here, too.
-- Only a proof leads here: whoever runs into the key controls the host's DNS.
create table served_hosts (
  host      text collate "C" not null primary key,
  holder    text collate "C" not null,             -- the tenant; no reference crosses tenants
  canonical boolean not null
);
grant select on served_hosts to carillon_system;

-- It is kept by the claims themselves, in the same transaction, and by nothing
-- else: no serving role may write it. Every process has it at hand and is told
-- when it changed; a claim that is not proven is nobody's news.
-- +goose StatementBegin
create function keep_host() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
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
create function tell_hosts() returns trigger language plpgsql as $$
begin
  perform pg_notify('carillon_hosts', '');
  return null;
end $$;
-- +goose StatementEnd
revoke execute on function keep_host() from public;
create trigger keep_host after insert or delete or update of state, canonical on domains for each row execute function keep_host();
create trigger brands_told after insert or update or delete on brands for each row execute function tell_hosts();

-- +goose Down
drop table brands;
drop table domains;
drop table served_hosts;
drop function keep_host();
drop function tell_hosts();
