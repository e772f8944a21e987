//! Learning against a real PostgreSQL: what is done is done once, whoever else is writing at the moment.

mod completing;
mod harness;
mod leaving;
mod neighbours;
mod quizzes;
mod republishing;
