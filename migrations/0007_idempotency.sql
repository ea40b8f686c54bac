-- What requests with an Idempotency-Key were answered, and the names of jobs.

-- +goose Up

create table idempotency_keys (
  tenant_id    text collate "C" not null default app_tenant(),
  principal    text collate "C" not null,    -- a user or an API key
  method       text collate "C" not null,
  route        text collate "C" not null,
  key          text collate "C" not null,
  request_hash text collate "C" not null,
  generation   bigint not null default 1,    -- counts who took over; fences who was late
  state        text not null default 'running',
  lease_until  timestamptz not null,         -- past it, a request without an answer is a dead process
  status       integer,
  content_type text not null default '',
  etag         text not null default '',
  location     text not null default '',
  body         bytea,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz not null,
  primary key (tenant_id, principal, method, route, key),
  foreign key (tenant_id) references tenants,
  -- applied: the use case has committed, in the transaction that wrote this
  constraint idempotency_keys_state check (state in ('running', 'applied', 'done')),
  constraint idempotency_keys_answer check ((state = 'done') = (status is not null)),
  constraint idempotency_keys_key check (char_length(key) between 1 and 255)
);
create index idempotency_keys_expired on idempotency_keys (expires_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy tenant on idempotency_keys
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy seen on idempotency_keys for select to carillon_system using (true);
create policy applied on idempotency_keys for update to carillon_system using (state <> 'done') with check (state = 'applied');
create policy expired on idempotency_keys for delete to carillon_system using (expires_at < now());
grant select, insert, update, delete on idempotency_keys to carillon_app;
grant select, update (state), delete on idempotency_keys to carillon_system;

-- A name for work in the queue. How it stands is read off the queue.
create table jobs (
  tenant_id  text collate "C" not null default app_tenant(),
  job_id     text collate "C" not null,
  type       text not null,
  subject    text not null,
  queue_id   bigint not null,                -- river.river_job; no foreign key: finished work is forgotten there
  created_at timestamptz not null default now(),
  primary key (tenant_id, job_id),
  foreign key (tenant_id) references tenants
);
create index jobs_created on jobs (created_at);

alter table jobs enable row level security;
alter table jobs force row level security;
create policy tenant on jobs
  using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()));
create policy old_seen on jobs for select to carillon_system using (created_at < now() - interval '30 days');
create policy old on jobs for delete to carillon_system using (created_at < now() - interval '30 days');
grant select, insert, update on jobs to carillon_app;
grant select, delete on jobs to carillon_system;

-- +goose Down
drop table jobs;
drop table idempotency_keys;
