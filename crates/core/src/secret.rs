//! Signing secrets: one shared key per endpoint, and the older ones that still count while it is rotated.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::time::Timestamp;

/// What the text of a Standard Webhooks secret begins with; base64 of the key follows.
const PREFIX: &str = "whsec_";

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// The most secrets that still count beside the current one: each adds a signature to every request.
const MAX_PREVIOUS: usize = 10;

/// A signing secret of 1 to 256 bytes, wiped from memory when dropped.
///
/// It is neither `Display` nor `Serialize`, and its `Debug` shows nothing: it leaves only by the name of
/// [`Secret::expose_text`] and [`Secret::key`]. Two are equal if their texts are, compared in constant time.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    /// The decoded key of a `whsec_` text; otherwise the text's own bytes are the key.
    decoded: Option<Zeroizing<Vec<u8>>>,
}

impl Secret {
    /// Reads `whsec_` + base64 of 1 to 256 bytes (24 to 64 are recommended), or any other text of 1 to 256 bytes, whose
    /// bytes are the key.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        // Some tools print base64 without its padding; the key is the same.
        let decode = |encoded| STANDARD_PAD_INDIFFERENT.decode(encoded).map(Zeroizing::new);
        let decoded = text.strip_prefix(PREFIX).map(decode).transpose().map_err(|_| InvalidSecret::NotBase64)?;
        let key_bytes = decoded.as_ref().map_or(text.len(), |key| key.len());
        match key_bytes {
            0 => Err(InvalidSecret::Empty),
            1..=MAX_KEY_BYTES => Ok(Self { text: Zeroizing::new(text.to_owned()), decoded }),
            _ => Err(InvalidSecret::TooLong),
        }
    }

    /// A new `whsec_` secret of these 32 bytes, which come from the operating system's randomness.
    pub fn generate(random: [u8; 32]) -> Self {
        let key = Zeroizing::new(random.to_vec());
        // Room for all of it at once: a text that grows leaves copies of itself behind in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 44));
        text.push_str(PREFIX);
        STANDARD.encode_string(key.as_slice(), &mut text);
        Self { text, decoded: Some(key) }
    }

    /// The key of the signature.
    pub fn key(&self) -> &[u8] {
        self.decoded.as_ref().map_or(self.text.as_bytes(), |key| key.as_slice())
    }

    /// The text exactly as it was given, which some styles take as the key.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text exactly as it was given: for its owner's eyes only. The caller wipes it.
    pub fn expose_text(&self) -> String {
        self.text.as_str().to_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text.as_bytes().ct_eq(other.text.as_bytes()).into()
    }
}

impl Eq for Secret {}

/// Why a text is no secret. The text itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// After `whsec_` comes no base64.
    #[error("what follows `whsec_` is not base64: encode 24 to 64 random bytes, or leave the secret out and get one")]
    NotBase64,
    /// There is no key.
    #[error("the secret is empty: give 24 to 64 random bytes as `whsec_` + base64, or leave it out and get one")]
    Empty,
    /// The key has more than 256 bytes.
    #[error("the secret is too long: its key may have at most 256 bytes, and more than 64 add nothing")]
    TooLong,
}

/// A secret that was replaced and counts a little longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: Secret,
    /// It signs before this instant.
    pub expires_at: Timestamp,
}

/// The secrets of one endpoint. While one is rotated requests carry a signature of each, so that receivers can change
/// theirs at any moment of the overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecrets {
    /// The secret that the endpoint's owner is shown.
    pub current: Secret,
    /// Those before it, newest first, at most 10.
    pub previous: Vec<PreviousSecret>,
}

impl SigningSecrets {
    /// The secrets of an endpoint that was never rotated.
    pub fn new(current: Secret) -> Self {
        Self { current, previous: Vec::new() }
    }

    /// The secrets that sign at `now`: the current one first, then the previous ones that have not expired.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        let previous = self.previous.iter().filter(move |previous| previous.expires_at > now);
        std::iter::once(&self.current).chain(previous.map(|previous| &previous.secret))
    }

    /// Puts `new` in the current one's place, which goes on to sign for `overlap` (not at all if that is zero).
    ///
    /// Expired secrets are dropped, and the oldest beyond ten. A secret that returns is taken out of the previous ones,
    /// so that none ever signs twice; rotating to the current one changes nothing else.
    #[must_use = "the secrets before the rotation are consumed"]
    pub fn rotate(self, new: Secret, overlap: Duration, now: Timestamp) -> Self {
        let outgoing = PreviousSecret { secret: self.current, expires_at: now + overlap };
        let previous = std::iter::once(outgoing)
            .chain(self.previous)
            .filter(|previous| previous.expires_at > now && previous.secret != new)
            .take(MAX_PREVIOUS)
            .collect();
        Self { current: new, previous }
    }

    /// The form that the vault seals:
    /// `{"current":"<base64>","previous":[{"secret":"<base64>","expires_at":<microseconds>}]}`, each base64 of a text.
    ///
    /// Base64 because it needs no JSON escapes: then reading borrows instead of unescaping into memory that nobody
    /// wipes, and writing knows its length, so that the buffer never moves.
    pub fn to_plaintext(&self) -> Zeroizing<Vec<u8>> {
        const FRAME: usize = 64;
        let texts = std::iter::once(&self.current).chain(self.previous.iter().map(|previous| &previous.secret));
        let room = texts.map(|secret| secret.text.len().div_ceil(3) * 4 + FRAME).sum();
        let mut out = Zeroizing::new(String::with_capacity(room));
        out.push_str(r#"{"current":""#);
        STANDARD.encode_string(self.current.text.as_bytes(), &mut out);
        out.push_str(r#"","previous":["#);
        for (index, previous) in self.previous.iter().enumerate() {
            out.push_str(if index == 0 { r#"{"secret":""# } else { r#",{"secret":""# });
            STANDARD.encode_string(previous.secret.text.as_bytes(), &mut out);
            out.push_str(r#"","expires_at":"#);
            out.push_str(&previous.expires_at.as_micros().to_string());
            out.push('}');
        }
        out.push_str("]}");
        debug_assert!(out.len() <= room, "the buffer has moved and left a copy of the secrets behind");
        Zeroizing::new(std::mem::take(&mut *out).into_bytes())
    }

    /// Reads what [`SigningSecrets::to_plaintext`] wrote.
    pub fn from_plaintext(plaintext: &[u8]) -> Result<Self, UnreadableSecrets> {
        let stored: Stored<'_> = serde_json::from_slice(plaintext).map_err(|_| UnreadableSecrets)?;
        let previous = stored.previous.iter().map(|previous| {
            let expires_at = Timestamp::from_micros(previous.expires_at);
            Ok(PreviousSecret { secret: stored_secret(previous.secret)?, expires_at })
        });
        Ok(Self { current: stored_secret(stored.current)?, previous: previous.collect::<Result<_, _>>()? })
    }
}

/// The stored form, borrowed: see [`SigningSecrets::to_plaintext`]. Unknown members are refused, because a version that
/// does not know them would drop them when it writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    current: &'a str,
    previous: Vec<StoredPrevious<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPrevious<'a> {
    secret: &'a str,
    expires_at: i64,
}

fn stored_secret(encoded: &str) -> Result<Secret, UnreadableSecrets> {
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| UnreadableSecrets)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| UnreadableSecrets)?;
    Secret::parse(text).map_err(|_| UnreadableSecrets)
}

/// Stored secrets that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stored signing secrets cannot be read (damaged, or written by a newer version): rotate the endpoint's secret"
)]
pub struct UnreadableSecrets;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    fn texts(secrets: &SigningSecrets, now: Timestamp) -> Vec<String> {
        secrets.active(now).map(Secret::expose_text).collect()
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_secret_is_prefixed_base64_or_any_text() {
        for (text, key) in [
            ("whsec_AAEC", &[0, 1, 2][..]),
            ("whsec_AAECAw==", &[0, 1, 2, 3][..]),
            ("whsec_AAECAw", &[0, 1, 2, 3][..]),
            ("mysecret", b"mysecret"),
            ("AAEC", b"AAEC"),
            ("Whsec_AAEC", b"Whsec_AAEC"),
            ("ü", "ü".as_bytes()),
            (" ", b" "),
        ] {
            assert_eq!(secret(text).key(), key, "{text}");
            assert_eq!(secret(text).expose_text(), text);
        }
    }

    #[test]
    fn a_secret_without_a_key_or_with_too_long_a_one_is_refused() {
        let longest = format!("whsec_{}", STANDARD.encode([7; 256]));
        assert_eq!(secret(&longest).key(), [7; 256]);
        assert_eq!(secret(&"x".repeat(256)).key().len(), 256);
        for (text, error) in [
            (String::new(), InvalidSecret::Empty),
            ("whsec_".to_owned(), InvalidSecret::Empty),
            ("whsec_a".to_owned(), InvalidSecret::NotBase64),
            ("whsec_not base64!".to_owned(), InvalidSecret::NotBase64),
            ("whsec_AA-_".to_owned(), InvalidSecret::NotBase64),
            ("x".repeat(257), InvalidSecret::TooLong),
            (format!("whsec_{}", STANDARD.encode([7; 257])), InvalidSecret::TooLong),
        ] {
            assert_eq!(Secret::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let secrets =
            SigningSecrets::new(secret("tell nobody")).rotate(secret("whsec_AAEC"), DAY, Timestamp::default());
        let shown = format!("{secrets:?} {:?}", secrets.current.clone());
        assert!(!shown.contains("nobody") && !shown.contains("AAEC"), "{shown}");
    }

    #[test]
    fn a_generated_secret_has_the_given_bytes_and_reads_back() {
        let made = Secret::generate([9; 32]);
        assert_eq!(made.key(), [9; 32]);
        assert!(made.expose_text().starts_with("whsec_"));
        assert_eq!(secret(&made.expose_text()), made);
        assert_ne!(secret("one"), secret("two"));
        assert_ne!(secret("one"), secret("one more"));
    }

    #[test]
    fn the_old_secret_signs_until_its_overlap_ends() {
        let now = Timestamp::from_millis(1_000);
        let secrets = SigningSecrets::new(secret("a")).rotate(secret("b"), DAY, now);
        assert_eq!(texts(&secrets, now), ["b", "a"]);
        assert_eq!(texts(&secrets, now + DAY - Duration::from_micros(1)), ["b", "a"]);
        assert_eq!(texts(&secrets, now + DAY), ["b"]);

        let later = secrets.clone().rotate(secret("c"), DAY, now + DAY / 2);
        assert_eq!(texts(&later, now + DAY / 2), ["c", "b", "a"]);
        assert_eq!(texts(&later, now + DAY), ["c", "b"]);

        let expired = secrets.rotate(secret("c"), DAY, now + DAY);
        assert_eq!(expired.previous.len(), 1, "what has expired is dropped");
    }

    #[test]
    fn without_overlap_the_old_secret_is_gone_at_once() {
        let now = Timestamp::from_millis(1_000);
        let secrets = SigningSecrets::new(secret("a")).rotate(secret("b"), Duration::ZERO, now);
        assert_eq!(secrets, SigningSecrets::new(secret("b")));
    }

    #[test]
    fn a_secret_that_returns_signs_once() {
        let now = Timestamp::from_millis(1_000);
        let back = SigningSecrets::new(secret("a")).rotate(secret("b"), DAY, now).rotate(secret("a"), DAY, now);
        assert_eq!(texts(&back, now), ["a", "b"]);
        assert_eq!(texts(&back.rotate(secret("a"), DAY, now), now), ["a", "b"]);
    }

    #[test]
    fn at_most_ten_previous_secrets_are_kept_and_the_oldest_goes() {
        let now = Timestamp::default();
        let secrets = (1..=12)
            .fold(SigningSecrets::new(secret("0")), |secrets, n| secrets.rotate(secret(&n.to_string()), DAY, now));
        assert_eq!(texts(&secrets, now), ["12", "11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
    }

    #[test]
    fn the_sealed_form_is_stable() {
        let now = Timestamp::from_millis(1_000);
        let secrets = SigningSecrets::new(secret("a")).rotate(secret("whsec_AAEC"), DAY, now);
        let expected = r#"{"current":"d2hzZWNfQUFFQw==","previous":[{"secret":"YQ==","expires_at":86401000000}]}"#;
        assert_eq!(std::str::from_utf8(&secrets.to_plaintext()).unwrap(), expected);
        for damaged in ["", "{}", r#"{"current":"?","previous":[]}"#, r#"{"current":"","previous":[]}"#, &expected[1..]]
        {
            assert_eq!(SigningSecrets::from_plaintext(damaged.as_bytes()), Err(UnreadableSecrets), "{damaged}");
        }
        let newer = r#"{"current":"YQ==","previous":[],"signing_key":"x"}"#;
        assert_eq!(SigningSecrets::from_plaintext(newer.as_bytes()), Err(UnreadableSecrets));
    }

    fn any_secret() -> impl Strategy<Value = Secret> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(Secret::generate),
            "[\\PC\"\\\\\n\u{0}]{1,40}".prop_map(|text| Secret::parse(&text).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn every_text_is_given_back_exactly(made in any_secret()) {
            let again = secret(&made.expose_text());
            prop_assert_eq!(again.key(), made.key());
            prop_assert!((1..=256).contains(&made.key().len()));
        }

        #[test]
        fn sealed_secrets_read_back_as_they_were(
            current in any_secret(), previous in proptest::collection::vec((any_secret(), any::<i64>()), 0..=10)
        ) {
            let previous = previous.into_iter().map(|(secret, micros)| {
                PreviousSecret { secret, expires_at: Timestamp::from_micros(micros) }
            });
            let secrets = SigningSecrets { current, previous: previous.collect() };
            prop_assert_eq!(SigningSecrets::from_plaintext(&secrets.to_plaintext()).unwrap(), secrets);
        }

        #[test]
        fn after_any_rotations_the_newest_is_current_and_none_signs_twice(
            steps in proptest::collection::vec((0u8..6, 0u64..100, 0u64..100), 1..30)
        ) {
            let mut now = Timestamp::default();
            let mut secrets = SigningSecrets::new(secret("first"));
            for (name, overlap, wait) in steps {
                let outgoing = secrets.current.clone();
                let new = secret(&name.to_string());
                secrets = secrets.rotate(new.clone(), Duration::from_secs(overlap), now);
                prop_assert_eq!(secrets.active(now).next(), Some(&new));
                let signs = secrets.active(now).any(|secret| *secret == outgoing);
                prop_assert_eq!(signs, overlap > 0 || outgoing == new);
                prop_assert!(secrets.previous.len() <= MAX_PREVIOUS);
                let mut names = texts(&secrets, now);
                let all = names.len();
                names.sort();
                names.dedup();
                prop_assert_eq!(names.len(), all);
                now = now + Duration::from_secs(wait);
            }
        }
    }
}
