-- The headings a text stands under, beside its title.
alter table platform.search_entries add column heading text not null default '';
