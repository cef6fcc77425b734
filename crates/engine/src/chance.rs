//! Randomness, drawn here and passed on as a number: everything that decides with it is a function of its arguments.

/// A number from [0, 1), for jitter.
#[expect(clippy::disallowed_methods, reason = "this is the edge at which randomness is drawn")]
pub(crate) fn draw() -> f64 {
    use rand::RngExt as _;
    rand::rng().random()
}

/// 128 random bits, for ids.
#[expect(clippy::disallowed_methods, reason = "this is the edge at which randomness is drawn")]
pub(crate) fn bits() -> u128 {
    use rand::RngExt as _;
    rand::rng().random()
}
