-- What people are told: in the app, and over their channels.

create table notification.notifications (
    id         bigint generated always as identity primary key,
    user_id    bigint      not null,
    -- The event it tells of: told once.
    event_id   uuid        not null unique,
    kind       text        not null,
    title      text        not null,
    body       text        not null,
    link       text,
    created_at timestamptz not null,
    read_at    timestamptz
);
create index notifications_of_user on notification.notifications (user_id, id desc);
create index notifications_unread on notification.notifications (user_id, id desc) where read_at is null;

-- The last title heard of each course: events that come later name only its id.
create table notification.course_titles (
    course_id bigint primary key,
    title     text   not null
);

-- A user without a row has the defaults.
create table notification.preferences (
    user_id           bigint  primary key,
    email             boolean not null default true,
    sms               boolean not null default false,
    web_push          boolean not null default false,
    phone             text,
    push_subscription text
);

-- One per user, for ever: the links in old mails keep working.
create table notification.unsubscribe_tokens (
    user_id bigint primary key,
    token   text   not null unique
);

-- One message over one channel. Its id is that of the task which carries it.
create table notification.deliveries (
    id          uuid        primary key,
    user_id     bigint      not null,
    channel     text        not null check (channel in ('email', 'sms', 'web_push')),
    template    text        not null,
    state       text        not null check (state in ('queued', 'retrying', 'sent', 'failed', 'suppressed')),
    tries       integer     not null default 0,
    last_error  text,
    queued_at   timestamptz not null default now(),
    finished_at timestamptz
);
create index deliveries_by_time on notification.deliveries (queued_at desc, id desc);
create index deliveries_of_user on notification.deliveries (user_id, queued_at desc, id desc);
