-- What AI costs, in micros. An account is one budget's month; a hold is one
-- purchase, from before it is made to what it did cost.

-- +goose Up
create table spend_accounts (
  tenant_id text collate "C" not null default app_tenant(),
  subject   text collate "C" not null,          -- a user; empty: all of the tenant
  period    date not null,                      -- the month's first day, in UTC
  held      bigint not null default 0,
  spent     bigint not null default 0,
  primary key (tenant_id, subject, period),
  foreign key (tenant_id) references tenants,
  constraint spend_accounts_sums check (held >= 0 and spent >= 0)
);

create table spend_holds (
  tenant_id text collate "C" not null default app_tenant(),
  hold_id   text collate "C" not null,
  user_id   text collate "C" not null,          -- empty: the system
  vendor    text collate "C" not null,
  model     text not null,
  feature   text not null,
  held      bigint not null,
  cost      bigint not null default 0,
  state     text not null default 'held',
  held_at   timestamptz not null,
  until     timestamptz not null,               -- past it, nobody comes back for it
  period    date not null,
  -- the accounts that it was taken from, side by side
  tenants   text[] collate "C" not null,
  subjects  text[] collate "C" not null,
  primary key (tenant_id, hold_id),
  foreign key (tenant_id) references tenants,
  constraint spend_holds_state check (state in ('held', 'settled', 'released', 'expired')),
  constraint spend_holds_amounts check (held >= 0 and cost >= 0 and (cost = 0 or state = 'settled'))
);
create index spend_holds_stuck on spend_holds (until) where state = 'held';
create index spend_holds_of on spend_holds (tenant_id, period, hold_id);

alter table spend_accounts enable row level security;
alter table spend_accounts force row level security;
create policy tenant on spend_accounts
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
-- A purchase counts in the budgets above its tenant as well.
create policy kept on spend_accounts to carillon_system using (true) with check (true);
grant select on spend_accounts to carillon_app;
grant select, insert, update on spend_accounts to carillon_system;

alter table spend_holds enable row level security;
alter table spend_holds force row level security;
create policy tenant on spend_holds
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy kept on spend_holds to carillon_system using (true) with check (true);
grant select on spend_holds to carillon_app;
grant select, insert, update on spend_holds to carillon_system;

-- +goose Down
drop table spend_holds;
drop table spend_accounts;
