//! What can be measured: one file each.

pub mod backlog;
pub mod black_hole;
pub mod idle;
pub mod kills;
pub mod pages;
