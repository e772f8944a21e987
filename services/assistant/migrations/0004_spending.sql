-- What answers took on a day (UTC): of a user's questions, of those about a course, and of all ('all', 0). A row holds what calls of models
-- that are under way may take at most, and in the end what they took.
create table assistant.spending (
    day             date not null,
    scope           text not null,
    id              bigint not null,
    tokens          bigint not null,
    cost_millionths bigint not null,
    primary key (day, scope, id)
);
