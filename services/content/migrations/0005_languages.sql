-- The language of a version's text (BCP 47), as it was indexed; null in versions that were indexed before it was kept.
alter table content.versions add column language text;
