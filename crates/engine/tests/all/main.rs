//! The engine as a whole: real stores, real sockets, real receivers.

mod breakers;
mod control;
mod fleet;
mod hostile;
mod letters;
mod once;
mod order;
mod rate;
mod retries;
mod site;
mod stopping;
mod tls;
