//! REST: translates, holds no rule.
