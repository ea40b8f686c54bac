-- Posts, what becomes of them, and the journal of every try.

-- +goose Up

create table posts (
  tenant_id  text collate "C" not null default app_tenant(),
  post_id    text collate "C" not null,
  state      text not null,                  -- sums up its deliveries
  content    jsonb not null,
  local_time text not null default '',       -- what the person meant: a wall time …
  timezone   text not null default '',       -- … in an IANA zone
  publish_at timestamptz,                    -- … and the instant that was
  created_by text not null,
  version    integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, post_id),
  foreign key (tenant_id) references tenants
);
create index posts_calendar on posts (tenant_id, publish_at, post_id) where publish_at is not null;

create table deliveries (
  tenant_id   text collate "C" not null default app_tenant(),
  delivery_id text collate "C" not null,
  post_id     text collate "C" not null,
  channel_id  text collate "C" not null,     -- no foreign key: the record outlives the channel
  format      text not null default '',
  settings    jsonb,
  hash        text not null,                 -- of the content it was made from
  due_at      timestamptz not null,
  primary key (tenant_id, delivery_id),
  unique (tenant_id, post_id, channel_id),
  foreign key (tenant_id, post_id) references posts on delete cascade
);

-- A segment is one object on a platform. Its row is the schedule: who holds
-- it, since when, until when.
create table segments (
  tenant_id   text collate "C" not null default app_tenant(),
  segment_id  text collate "C" not null,
  delivery_id text collate "C" not null,
  post_id     text collate "C" not null,
  channel_id  text collate "C" not null,
  due_at      timestamptz not null,          -- of its delivery
  position    integer not null,
  comment     boolean not null default false,
  part        jsonb not null,
  revision    integer not null default 0,
  state       text not null,
  next_at     timestamptz,                   -- when somebody must look at it; null: nobody
  holder      text not null default '',
  held_at     timestamptz,
  generation  bigint not null default 0,     -- fences a holder that lost its lease
  step        bytea,
  label       text not null default '',
  attempt     integer not null default 0,
  tries       integer not null default 0,
  doubt_at    timestamptz,
  called_at   timestamptz,                   -- when a call may last have been under way
  verify      boolean not null default false, -- the database was restored: look before anything else
  canceling   boolean not null default false, -- if it was not sent, it will not be
  reply_to    jsonb,
  root        jsonb,
  ref         jsonb,
  live_at     timestamptz,
  problem     jsonb,
  evidence    text not null default '',
  armed_hash  text not null default '',
  primary key (tenant_id, segment_id),
  foreign key (tenant_id, delivery_id) references deliveries on delete cascade,
  constraint segments_state check (state in ('scheduled', 'preparing', 'armed', 'sending', 'live',
    'rejected', 'unknown', 'needs_review', 'missed', 'canceled')),
  constraint segments_step check (octet_length(step) <= 16384),
  -- Whatever is under way has a time at which somebody looks at it.
  constraint segments_alarm check (next_at is not null or state not in ('preparing', 'armed', 'sending', 'unknown'))
);
create index segments_of on segments (tenant_id, post_id, delivery_id, position);
create index segments_delivery on segments (tenant_id, delivery_id);
-- The dispatcher's index: only what waits for somebody is in it.
create index segments_due on segments (next_at, tenant_id) where next_at is not null;

-- One row per try, written before the call. An open one is a call in flight or
-- a process that died.
create table attempts (
  tenant_id    text collate "C" not null default app_tenant(),
  segment_id   text collate "C" not null,
  n            integer not null,
  key          text not null,
  request_hash text not null,
  replay       boolean not null default false,
  holder       text not null,
  armed_at     timestamptz not null,
  ended_at     timestamptz,
  outcome      text not null default '',
  problem      jsonb,
  primary key (tenant_id, segment_id, n),
  foreign key (tenant_id, segment_id) references segments on delete cascade
);
create unique index attempts_one_open on attempts (tenant_id, segment_id) where ended_at is null;

create table post_metrics (
  tenant_id  text collate "C" not null default app_tenant(),
  segment_id text collate "C" not null,
  at         timestamptz not null,
  counts     jsonb not null,
  primary key (tenant_id, segment_id, at),
  foreign key (tenant_id, segment_id) references segments on delete cascade
);

create table publishing_settings (
  tenant_id      text collate "C" not null default app_tenant(),
  missed_after_s integer not null,           -- seconds; 0: never
  primary key (tenant_id),
  foreign key (tenant_id) references tenants
);

-- The operator's switch for one platform, everywhere.
create table platform_pauses (
  platform  text primary key,
  reason    text not null,
  paused_at timestamptz not null default now()
);
grant select, insert, update, delete on platform_pauses to carillon_system;

-- Where this database was last served from. A restored copy has another
-- identity, and starts by finding out what the original sent; see restore.go.
create table database_identity (
  one        boolean primary key default true check (one),
  identifier text not null,
  timeline   integer not null
);
grant select, insert, update on database_identity to carillon_system;

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['posts', 'deliveries', 'segments', 'attempts', 'post_metrics', 'publishing_settings'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_id = (select app_tenant())) with check (tenant_id = (select app_tenant()))', t);
    execute format('grant select, insert, update, delete on %I to carillon_app', t);
  end loop;
end $$;
-- +goose StatementEnd

-- The dispatcher sees that a segment is due, and takes it. It sees no content.
create policy system on segments to carillon_system using (true) with check (true);
grant select (tenant_id, segment_id, delivery_id, post_id, channel_id, due_at, position, state, next_at, generation, doubt_at) on segments to carillon_system;
grant update (next_at, holder, held_at, generation, doubt_at, called_at, verify) on segments to carillon_system;

-- … how long its tenant lets it wait,
create policy dispatch on publishing_settings for select to carillon_system using (true);
grant select on publishing_settings to carillon_system;

-- … and whether its channel may send.
create policy dispatch on channels for select to carillon_system using (true);
grant select (tenant_id, id, platform, state, paused) on channels to carillon_system;

-- +goose Down
drop policy dispatch on channels;
revoke all on channels from carillon_system;
drop table database_identity;
drop table platform_pauses;
drop table publishing_settings;
drop table post_metrics;
drop table attempts;
drop table segments;
drop table deliveries;
drop table posts;
