-- What the clean-up looks for.
create index refresh_families_by_age on "user".refresh_families (expires_at);
create index refresh_tokens_by_age on "user".refresh_tokens (expires_at);
