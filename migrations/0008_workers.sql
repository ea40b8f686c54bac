-- Which worker processes take due segments, and when each last asked for some.

-- +goose Up

-- Servers are ready only while somebody publishes what they accept. They learn
-- it here, because processes of an installation share a database and nothing else.
create table workers (
  holder     text collate "C" primary key,   -- host and process, as in the journal
  version    text not null,
  slots      integer not null,
  busy       integer not null,
  started_at timestamptz not null,
  claimed_at timestamptz not null            -- the last claim that the database answered
);
create index workers_claimed on workers (claimed_at);
grant select, insert, update, delete on workers to carillon_system;

-- +goose Down
drop table workers;
