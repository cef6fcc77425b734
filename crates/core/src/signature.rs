//! Signatures: how a receiver knows that a request is ours. An endpoint has any number of styles beside one another.
//!
//! | style | header | value | signed | key |
//! |---|---|---|---|---|
//! | `standard` | `webhook-signature` | `v1,` Base64 of HMAC-SHA256 | `{id}.{time}.{body}` | the secret's key |
//! | `standard_ed25519` | the same, after those | `v1a,` Base64 of Ed25519 | `{id}.{time}.{body}` | derived from it |
//! | `github` | `x-hub-signature-256` | `sha256=` hex of HMAC-SHA256 | `{body}` | the secret's text |
//! | `postmand` | `x-hub-signature` | hex of HMAC-SHA256 | `{body}` | the secret's text |
//! | `stripe` | `stripe-signature` | `t={time},v1=` hex of HMAC-SHA256 | `{time}.{body}` | the secret's text |
//!
//! Standard Webhooks decodes what follows `whsec_`; the libraries of the other three take the secret as it is shown,
//! prefix and all, so there its text is the key. For a secret without that prefix both are the same.
//!
//! While a secret is rotated, the styles whose value is a list (`standard`, `standard_ed25519`, `stripe`) carry a
//! signature of each secret that still counts. The other two have room for one, and it is the current secret's.
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

mod ed25519;
mod hex;
mod standard;

use std::fmt;

use hmac::{Hmac, KeyInit as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use ed25519::{Ed25519Signer, public_key, verify_ed25519};
pub use hex::HexSigner;
pub use standard::{StandardSigner, standard, verify_standard};

use crate::endpoint::SignatureStyle;
use crate::secret::{Secret, SigningSecrets};
use crate::time::Timestamp;

/// The header with the message's id, the same on every attempt.
pub const ID_HEADER: &str = "webhook-id";

/// The header with the attempt's time in whole seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";

/// The header with the signatures of both Standard Webhooks styles, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// GitHub's header.
pub const GITHUB_HEADER: &str = "x-hub-signature-256";

/// Postmand's header.
pub const POSTMAND_HEADER: &str = "x-hub-signature";

/// Stripe's header.
pub const STRIPE_HEADER: &str = "stripe-signature";

/// Bytes that SHA-256 takes in at once; the key of an HMAC fills one such block.
const BLOCK_BYTES: usize = 64;

/// The header in which a style's signature goes.
pub const fn header_of(style: SignatureStyle) -> &'static str {
    match style {
        SignatureStyle::Standard | SignatureStyle::StandardEd25519 => SIGNATURE_HEADER,
        SignatureStyle::Github => GITHUB_HEADER,
        SignatureStyle::Stripe => STRIPE_HEADER,
        SignatureStyle::Postmand => POSTMAND_HEADER,
    }
}

/// The signing of one endpoint, made ready: what depends on its secrets alone is computed once.
#[derive(Debug)]
pub struct Signers {
    styles: Vec<SignatureStyle>,
    keys: Vec<Key>,
}

/// One secret, ready for the styles in use.
struct Key {
    /// A secret that was rotated out signs before this instant.
    until: Option<Timestamp>,
    standard: Option<StandardSigner>,
    ed25519: Option<Ed25519Signer>,
    hex: Option<HexSigner>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    fn new(styles: &[SignatureStyle], secret: &Secret, until: Option<Timestamp>) -> Self {
        let wants = |style| styles.contains(&style);
        let hex = [SignatureStyle::Github, SignatureStyle::Stripe, SignatureStyle::Postmand].into_iter().any(wants);
        Self {
            until,
            standard: wants(SignatureStyle::Standard).then(|| StandardSigner::new(secret)),
            ed25519: wants(SignatureStyle::StandardEd25519).then(|| Ed25519Signer::new(secret)),
            hex: hex.then(|| HexSigner::new(secret)),
        }
    }
}

impl Signers {
    /// Makes an endpoint's secrets ready for its styles.
    pub fn new(styles: &[SignatureStyle], secrets: &SigningSecrets) -> Self {
        let previous = secrets.previous.iter().map(|previous| (&previous.secret, Some(previous.expires_at)));
        let all = std::iter::once((&secrets.current, None)).chain(previous);
        let keys = if styles.is_empty() {
            Vec::new()
        } else {
            all.map(|(secret, until)| Key::new(styles, secret, until)).collect()
        };
        Self { styles: styles.to_vec(), keys }
    }

    /// The headers that sign one request: `id` is its `webhook-id`, `now` the time that its `webhook-timestamp` says,
    /// `body` the exact bytes sent. Each header once.
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> Vec<(&'static str, String)> {
        let seconds = now.as_seconds();
        let active = || self.keys.iter().filter(|key| key.until.is_none_or(|until| until > now));
        let wants = |style| self.styles.contains(&style);
        // The current secret is the first.
        let current = || self.keys.first().and_then(|key| key.hex.as_ref());
        let mut headers = Vec::with_capacity(self.styles.len());
        let mut standard = String::new();
        active().filter_map(|key| key.standard.as_ref()).for_each(|key| key.sign(id, seconds, body, &mut standard));
        active().filter_map(|key| key.ed25519.as_ref()).for_each(|key| key.sign(id, seconds, body, &mut standard));
        if !standard.is_empty() {
            headers.push((SIGNATURE_HEADER, standard));
        }
        if wants(SignatureStyle::Github)
            && let Some(key) = current()
        {
            headers.push((GITHUB_HEADER, key.github(body)));
        }
        if wants(SignatureStyle::Postmand)
            && let Some(key) = current()
        {
            headers.push((POSTMAND_HEADER, key.postmand(body)));
        }
        if wants(SignatureStyle::Stripe) {
            let mut value = format!("t={seconds}");
            active().filter_map(|key| key.hex.as_ref()).for_each(|key| key.stripe(seconds, body, &mut value));
            headers.push((STRIPE_HEADER, value));
        }
        headers
    }
}

/// An HMAC whose key is taken in already.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // RFC 2104: a longer key is hashed, a shorter one padded with zeros. Done here because then the block has the right
    // length by its type, and there is no error to handle that cannot happen.
    let mut block = Zeroizing::new([0u8; BLOCK_BYTES]);
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    Hmac::new((&*block).into())
}

/// Appends to a list whose entries are separated.
fn push_separated(out: &mut String, separator: char, text: &str) {
    if !out.is_empty() {
        out.push(separator);
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BODY: &[u8] = br#"{"success": true}"#;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    const ALL: [SignatureStyle; 5] = [
        SignatureStyle::Stripe,
        SignatureStyle::Postmand,
        SignatureStyle::Github,
        SignatureStyle::StandardEd25519,
        SignatureStyle::Standard,
    ];

    #[test]
    fn each_style_has_its_header_and_all_go_side_by_side() {
        let secrets = SigningSecrets::new(secret("my-secret-token"));
        let headers = Signers::new(&ALL, &secrets).sign("msg_1", at(1_700_000_000), BODY);
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [SIGNATURE_HEADER, GITHUB_HEADER, POSTMAND_HEADER, STRIPE_HEADER]);
        for style in ALL {
            assert_eq!(names.iter().filter(|name| **name == header_of(style)).count(), 1, "{style:?}");
            let alone = Signers::new(&[style, style], &secrets).sign("msg_1", at(1_700_000_000), BODY);
            assert_eq!(alone.len(), 1);
            assert_eq!(alone[0].0, header_of(style));
        }
        assert_eq!(Signers::new(&[], &secrets).sign("msg_1", at(0), BODY), []);
    }

    #[test]
    fn while_a_secret_is_rotated_lists_carry_both_and_the_others_the_new_one() {
        let (old, new) = (secret("old"), secret("new"));
        let rotated = SigningSecrets::new(old.clone()).rotate(new.clone(), Duration::from_secs(60), at(1_000));
        let signers = Signers::new(&ALL, &rotated);
        let during: std::collections::BTreeMap<_, _> = signers.sign("msg_1", at(1_059), BODY).into_iter().collect();
        let standard = &during[SIGNATURE_HEADER];
        let versions: Vec<_> = standard.split(' ').map(|one| one.split_once(',').unwrap().0).collect();
        assert_eq!(versions, ["v1", "v1", "v1a", "v1a"]);
        for one in [&old, &new] {
            assert!(verify_standard(one, "msg_1", 1_059, BODY, standard));
            assert!(verify_ed25519(&public_key(one), "msg_1", 1_059, BODY, standard));
        }
        let only_new = Signers::new(&ALL, &SigningSecrets::new(new.clone())).sign("msg_1", at(1_059), BODY);
        let only_new: std::collections::BTreeMap<_, _> = only_new.into_iter().collect();
        assert_eq!(during[GITHUB_HEADER], only_new[GITHUB_HEADER]);
        assert_eq!(during[POSTMAND_HEADER], only_new[POSTMAND_HEADER]);
        assert_eq!(during[STRIPE_HEADER].matches(",v1=").count(), 2);
        assert!(during[STRIPE_HEADER].starts_with(&only_new[STRIPE_HEADER]));

        let after = signers.sign("msg_1", at(1_060), BODY);
        assert_eq!(after, Signers::new(&ALL, &SigningSecrets::new(new)).sign("msg_1", at(1_060), BODY));
    }

    #[test]
    fn no_debug_output_shows_a_key() {
        let shown = format!("{:?}", Signers::new(&ALL, &SigningSecrets::new(secret("tell nobody"))));
        assert!(!shown.contains("nobody") && shown.contains("Key(…)"), "{shown}");
    }
}
