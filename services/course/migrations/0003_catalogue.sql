-- Words anywhere in a title or description, for the list of published courses.
create index courses_words on course.courses using gin (title gin_trgm_ops, description gin_trgm_ops)
    where published_version is not null and not archived;
