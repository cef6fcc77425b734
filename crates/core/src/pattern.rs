//! Topic patterns: what an endpoint writes to say which topics it wants.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest topic name and the longest pattern, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// Whether a text is a topic's name: `[A-Za-z0-9_.+-]{1,255}`, not `.` or `..`.
///
/// The two exceptions would vanish from a URL path, where `/v1/topics/..` is another resource.
pub fn valid_name(text: &str) -> bool {
    let fits = (1..=MAX_NAME_BYTES).contains(&text.len());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-');
    fits && text != "." && text != ".." && text.bytes().all(allowed)
}

/// Which topics are wanted: `order.created` itself, `order.*` for every topic that begins with `order.` at any depth,
/// or `*` for all. At most 255 bytes, the star included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicPattern(Arc<str>);

impl TopicPattern {
    /// The pattern `*`.
    pub fn all() -> Self {
        Self(Arc::from("*"))
    }

    /// Whether a topic of this name is wanted. The case of letters counts.
    pub fn matches(&self, topic: &str) -> bool {
        match self.prefix() {
            Some(prefix) => topic.starts_with(prefix),
            None => *self.0 == *topic,
        }
    }

    /// The one topic that this pattern names; `None` if it has a star.
    pub fn exact(&self) -> Option<&str> {
        if self.is_wildcard() { None } else { Some(&self.0) }
    }

    /// What every wanted topic begins with: `order.` of `order.*`, nothing of `*`; `None` without a star.
    pub fn prefix(&self) -> Option<&str> {
        // A star stands only at the end, which `from_str` saw to.
        self.0.strip_suffix('*')
    }

    /// Whether it may want more than one topic.
    pub fn is_wildcard(&self) -> bool {
        self.0.ends_with('*')
    }

    /// As text, as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicPattern {
    type Err = InvalidPattern;
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        // The stem obeys the rule of names by itself, so that `..*` and `.*` are refused with `.` and ``.
        let valid = text == "*" || text.len() <= MAX_NAME_BYTES && valid_name(text.strip_suffix(".*").unwrap_or(text));
        if valid { Ok(Self(Arc::from(text))) } else { Err(InvalidPattern) }
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = InvalidPattern;
    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl From<TopicPattern> for String {
    fn from(pattern: TopicPattern) -> Self {
        pattern.0.as_ref().to_owned()
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a topic pattern: write a topic's name (1 to 255 of A-Z a-z 0-9 _ . + -), `order.*` for every topic that \
     begins with `order.`, or `*` for all"
)]
pub struct InvalidPattern;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_wants_exactly_these_topics() {
        for (text, topic, wanted) in [
            ("order.created", "order.created", true),
            ("order.created", "order.created.eu", false),
            ("order.created", "Order.created", false),
            ("order.*", "order.created", true),
            ("order.*", "order.created.eu", true),
            ("order.*", "order.", true),
            ("order.*", "order", false),
            ("order.*", "orders.created", false),
            ("order.*", "reorder.created", false),
            ("order.eu.*", "order.eu.created", true),
            ("order.eu.*", "order.us.created", false),
            ("*", "anything", true),
            ("*", "any.thing", true),
        ] {
            assert_eq!(pattern(text).matches(topic), wanted, "{text} and {topic}");
        }
    }

    #[test]
    fn a_star_stands_nowhere_but_at_the_end_of_a_name() {
        for bad in [
            "",
            ".",
            "..",
            ".*",
            "..*",
            "...*",
            "**",
            "*.created",
            "order*",
            "order.*.eu",
            "order.**",
            "o*r",
            "*.*",
            " ",
            "order created",
            "order/created",
            "ördér",
            "order.created\n",
        ] {
            assert_eq!(bad.parse::<TopicPattern>(), Err(InvalidPattern), "{bad}");
        }
        assert!("a".repeat(255).parse::<TopicPattern>().is_ok());
        assert!("a".repeat(256).parse::<TopicPattern>().is_err());
        assert!(format!("{}.*", "a".repeat(253)).parse::<TopicPattern>().is_ok());
        assert!(format!("{}.*", "a".repeat(254)).parse::<TopicPattern>().is_err());
    }

    #[test]
    fn names_are_told_from_wildcards() {
        assert_eq!(pattern("order.created").exact(), Some("order.created"));
        assert_eq!(pattern("order.created").prefix(), None);
        assert_eq!(pattern("order.*").exact(), None);
        assert_eq!(pattern("order.*").prefix(), Some("order."));
        assert_eq!(TopicPattern::all().prefix(), Some(""));
        assert!(TopicPattern::all().is_wildcard());
    }

    #[test]
    fn json_carries_a_pattern_as_a_checked_string() {
        assert_eq!(serde_json::to_string(&pattern("order.*")).unwrap(), r#""order.*""#);
        assert_eq!(serde_json::from_str::<TopicPattern>(r#""order.*""#).unwrap(), pattern("order.*"));
        let refusal = serde_json::from_str::<TopicPattern>(r#""a*b""#).unwrap_err();
        assert!(refusal.to_string().contains("not a topic pattern"), "{refusal}");
    }

    proptest! {
        #[test]
        fn every_name_is_wanted_by_itself_by_its_stems_and_by_the_star(
            stem in "[A-Za-z0-9_+-]{1,20}", rest in "[A-Za-z0-9_.+-]{1,20}"
        ) {
            let topic = format!("{stem}.{rest}");
            prop_assert!(valid_name(&topic));
            prop_assert!(pattern(&topic).matches(&topic));
            let wide = pattern(&format!("{stem}.*"));
            prop_assert!(wide.matches(&topic));
            prop_assert!(!wide.matches(&stem));
            prop_assert!(TopicPattern::all().matches(&topic));
        }

        #[test]
        fn whatever_parses_is_a_name_with_or_without_a_final_star(text in "[a.*]{0,6}") {
            if let Ok(pattern) = text.parse::<TopicPattern>() {
                prop_assert_eq!(pattern.to_string(), text.clone());
                prop_assert_eq!(pattern.exact().is_some(), !pattern.is_wildcard());
                prop_assert!(text.matches('*').count() <= 1);
            }
        }
    }
}
