-- A step that worked in the end is no longer shown as being tried again.
alter table enrollment.onboarding_steps add column done boolean not null default false;
