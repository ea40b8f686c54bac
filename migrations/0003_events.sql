-- What happened in each tenant, and the webhooks that tell others.
--
-- Order. Readers go through events by (xid, n): the transaction that recorded
-- it, and its place among that transaction's events. A sequence or a clock
-- would not do: a number is drawn before the commit, so a reader that has seen
-- 8 could never know whether 7 is a gap or still to come, and the only remedy
-- would be to let a tenant's transactions wait for each other. Instead readers
-- look only at rows with xid < pg_snapshot_xmin(pg_current_snapshot()): every
-- transaction below that line has ended, so nothing can appear before a row
-- that was read. An event is visible as soon as the transactions that were
-- open at its commit have ended; ours hold no lock while they call anybody,
-- so that is milliseconds. Transactions that only read have no xid and delay
-- nobody.
--
-- No sequence: n counts within a transaction, and a cursor handed out is the
-- event's random name, so no tenant learns how busy the others are.
--
-- After a restore from a dump (not from a base backup) transactions count from
-- a lower number again, and the rows would wait for it to catch up. The hourly
-- prune moves such rows below the line, in their old order.

-- +goose Up

create table events (
  tenant_id       text collate "C" not null default app_tenant(),
  id              text collate "C" not null,
  xid             xid8 not null default pg_current_xact_id(),
  n               bigint not null,
  type            text collate "C" not null,
  subject         text collate "C" not null,
  data            jsonb not null,
  request_id      text not null,
  idempotency_key text not null,
  at              timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  unique (tenant_id, xid, n)
);
create index events_at on events (tenant_id, at);
create index events_age on events using brin (at);

alter table events enable row level security;
alter table events force row level security;
create policy tenant on events
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on events for select to carillon_system using (true);
create policy system_prune on events for delete to carillon_system using (true);
create policy system_settle on events for update to carillon_system using (true) with check (true);
create policy system_emit on events for insert to carillon_system with check (tenant_id = (select app_tenant()));
grant select, insert on events to carillon_app;
grant select, insert, delete, update (xid, n) on events to carillon_system;

create table webhook_endpoints (
  tenant_id     text collate "C" not null default app_tenant(),
  id            text collate "C" not null,
  url           text not null,
  description   text not null,
  types         text[] not null,                   -- empty: all
  state         text not null,
  reason        text not null,
  api_version   date not null,
  secrets       jsonb not null,                    -- sealed, newest first
  failing_since timestamptz,
  version       integer not null,
  created_at    timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants,
  constraint webhook_endpoints_state check (state in ('enabled', 'disabled')),
  constraint webhook_endpoints_reason check (reason in ('', 'manual', 'gone', 'failing'))
);

alter table webhook_endpoints enable row level security;
alter table webhook_endpoints force row level security;
create policy tenant on webhook_endpoints
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on webhook_endpoints for select to carillon_system using (true);
grant select, insert, update, delete on webhook_endpoints to carillon_app;
grant select on webhook_endpoints to carillon_system;

create table webhook_deliveries (
  tenant_id   text collate "C" not null default app_tenant(),
  id          text collate "C" not null,
  endpoint_id text collate "C" not null,
  event_id    text collate "C" not null,
  type        text collate "C" not null,
  replay      text collate "C" not null,           -- empty: the first time
  state       text not null,
  attempts    integer not null,
  next_at     timestamptz,
  status      integer not null,                    -- of the last try; 0: nothing answered
  excerpt     text not null,
  log         jsonb not null,                      -- every try
  created_at  timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, endpoint_id, event_id, replay),
  foreign key (tenant_id, endpoint_id) references webhook_endpoints on delete cascade,
  foreign key (tenant_id, event_id) references events on delete cascade,
  constraint webhook_deliveries_state check (state in ('pending', 'delivered', 'failed', 'canceled')),
  constraint webhook_deliveries_excerpt check (octet_length(excerpt) <= 2048)
);
create index webhook_deliveries_log on webhook_deliveries (tenant_id, endpoint_id, id desc);
create index webhook_deliveries_event on webhook_deliveries (tenant_id, event_id);
create index webhook_deliveries_due on webhook_deliveries (next_at) where state = 'pending';

alter table webhook_deliveries enable row level security;
alter table webhook_deliveries force row level security;
create policy tenant on webhook_deliveries
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy system on webhook_deliveries for select to carillon_system using (true);
grant select, insert, update, delete on webhook_deliveries to carillon_app;
grant select on webhook_deliveries to carillon_system;

-- +goose Down
drop table webhook_deliveries;
drop table webhook_endpoints;
drop table events;
