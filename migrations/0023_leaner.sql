-- Fewer index entries for each step of a segment and of its post.
--
-- Every step of a segment gives it another due time or state, which the
-- dispatcher's indexes follow; PostgreSQL then enters the new row in all of the
-- table's indexes. The one by delivery alone says nothing that segments_of does
-- not, now that a segment's reference to its delivery names the post too.
--
-- A post's state changes with its outcome. An index whose condition is the state
-- makes that a new entry in each of the table's indexes; a column that is true
-- for drafts does not change then. The tables keep a little room in each page,
-- without which the new row has to go to another one.

-- +goose Up
alter table deliveries add constraint deliveries_of unique (tenant_id, post_id, delivery_id);
alter table segments no force row level security; -- the check is of all tenants
alter table deliveries no force row level security;
alter table segments add constraint segments_delivery_fkey
  foreign key (tenant_id, post_id, delivery_id) references deliveries (tenant_id, post_id, delivery_id) on delete cascade;
alter table deliveries force row level security;
alter table segments force row level security;
alter table segments drop constraint segments_tenant_id_delivery_id_fkey;
drop index segments_delivery;

drop index posts_drafts;
alter table posts set (fillfactor = 90);
alter table posts add column draft boolean not null generated always as (state = 'draft') stored;
create index posts_drafts on posts (tenant_id, post_id) where draft;

-- +goose Down
drop index posts_drafts;
alter table posts drop column draft;
alter table posts reset (fillfactor);
create index posts_drafts on posts (tenant_id, post_id) where state = 'draft';

create index segments_delivery on segments (tenant_id, delivery_id);
alter table segments add constraint segments_tenant_id_delivery_id_fkey
  foreign key (tenant_id, delivery_id) references deliveries on delete cascade;
alter table segments drop constraint segments_delivery_fkey;
alter table deliveries drop constraint deliveries_of;
