//! A receiver, a load generator, the loopback ceiling.
