-- Accounts, credentials and the families of refresh tokens. `user` is a reserved word, hence the quotes.

create table "user".users (
    id            bigint generated always as identity primary key,
    email         text        not null,
    password_hash text        not null,
    full_name     text        not null,
    role          text        not null check (role in ('student', 'instructor', 'admin')),
    -- Access tokens of an earlier generation are refused: a role change raises it.
    generation    integer     not null default 0,
    created_at    timestamptz not null default now()
);

create unique index users_email on "user".users (lower(email));

-- One sign-in and the chain of refresh tokens that grew from it.
create table "user".refresh_families (
    id         uuid        primary key,
    user_id    bigint      not null references "user".users on delete cascade,
    created_at timestamptz not null default now(),
    -- When its youngest token expires.
    expires_at timestamptz not null,
    revoked_at timestamptz
);

create index refresh_families_user on "user".refresh_families (user_id);

-- Only hashes: whoever reads this table can sign in as nobody.
create table "user".refresh_tokens (
    token_hash bytea       primary key,
    family_id  uuid        not null references "user".refresh_families on delete cascade,
    expires_at timestamptz not null,
    used_at    timestamptz
);

create index refresh_tokens_family on "user".refresh_tokens (family_id);

-- The key that signs access tokens, made by whichever replica needs it first.
create table "user".signing_keys (
    slot       smallint    primary key default 1 check (slot = 1),
    kid        text        not null,
    pkcs8      bytea       not null,
    created_at timestamptz not null default now()
);
