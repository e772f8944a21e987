-- The language of a course as its instructor names it (BCP 47); without it, each version's is guessed from its text.
alter table course.courses add column language text;
