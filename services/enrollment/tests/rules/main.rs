//! The rules of seats, over the service's own interface: who gets one, who gives it back, and what follows.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod harness;
mod leaving;
mod onboarding;
mod preparing;
mod seats;
