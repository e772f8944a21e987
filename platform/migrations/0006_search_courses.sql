-- What is found in courses themselves, without their lessons.
create index search_entries_courses on platform.search_entries using gin (words) where lesson_id = '';
