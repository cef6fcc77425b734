//! Signatures of the Standard Webhooks specification, version `v1a`: Ed25519 over `{id}.{timestamp}.{body}`.
//!
//! The private key follows from the endpoint's secret (HMAC-SHA256 of a fixed label under it), so there is nothing more to
//! store, to seal or to rotate: each secret has its own key pair, and a secret that returns brings its pair back. It also
//! means that whoever knows the secret can sign, and that the secret of an endpoint with this style should be a
//! generated one: a guessable text could be found from the public key. Receivers are given the public key, never the
//! secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hmac::Mac as _;
use zeroize::Zeroizing;

use super::{keyed, push_separated};
use crate::secret::Secret;

/// The version of the scheme and the comma after it.
const VERSION: &str = "v1a,";

/// What the text of a public key begins with; Base64 of its 32 bytes follows.
const PUBLIC_PREFIX: &str = "whpk_";

/// What tells this use of a secret from every other. Changing it would change every endpoint's public key.
const LABEL: &[u8] = b"posthaste/standard-webhooks/v1a/ed25519";

/// A secret's key pair, ready to sign. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Ed25519Signer {
    key: SigningKey,
}

impl Ed25519Signer {
    /// Derives the key pair of a secret.
    pub fn new(secret: &Secret) -> Self {
        let mut mac = keyed(secret.key());
        mac.update(LABEL);
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
        Self { key: SigningKey::from_bytes(&seed) }
    }

    /// Appends `v1a,<base64>` to `out`, after a space if there is something already.
    pub fn sign(&self, id: &str, timestamp_seconds: i64, body: &[u8], out: &mut String) {
        let signature = self.key.sign(&signed(id, timestamp_seconds, body));
        push_separated(out, ' ', VERSION);
        STANDARD.encode_string(signature.to_bytes(), out);
    }

    /// The public key as `whpk_` and Base64.
    pub fn public_key(&self) -> String {
        format!("{PUBLIC_PREFIX}{}", STANDARD.encode(self.key.verifying_key().as_bytes()))
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519Signer(…)")
    }
}

/// The public key that goes with a secret, as `whpk_` and Base64: for the receiver's eyes.
pub fn public_key(secret: &Secret) -> String {
    Ed25519Signer::new(secret).public_key()
}

/// Whether one of the signatures in a `webhook-signature` header was made with this public key's secret; those of other
/// versions are skipped, and a text that is no public key verifies nothing. The caller judges the age of the timestamp.
pub fn verify_ed25519(public_key: &str, id: &str, timestamp_seconds: i64, body: &[u8], header: &str) -> bool {
    let decode = |text: &str| STANDARD.decode(text).ok();
    let key = public_key
        .strip_prefix(PUBLIC_PREFIX)
        .and_then(decode)
        .and_then(|bytes| VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok());
    let Some(key) = key else { return false };
    let message = signed(id, timestamp_seconds, body);
    let signatures = header.split(' ').filter_map(|signature| signature.strip_prefix(VERSION)).filter_map(decode);
    signatures
        .filter_map(|bytes| Signature::from_slice(&bytes).ok())
        // Strict: a signature that another library may judge differently is refused.
        .any(|signature| key.verify_strict(&message, &signature).is_ok())
}

fn signed(id: &str, timestamp_seconds: i64, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp_seconds.to_string().as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    fn one(secret: &Secret, id: &str, at: i64, body: &[u8]) -> String {
        let mut out = String::new();
        Ed25519Signer::new(secret).sign(id, at, body, &mut out);
        out
    }

    #[test]
    fn a_secrets_public_key_never_changes() {
        // Receivers have this key in their configuration: if this test fails, the change breaks all of them.
        assert_eq!(
            public_key(&secret("whsec_AAECAwQFBgcICQoLDA0ODw==")),
            "whpk_kV9YGBbcu9/WJyZ24D3rxINhWRBMWghCTijz0PJq0Wk="
        );
    }

    #[test]
    fn the_public_key_tells_the_right_request_from_any_other() {
        let (ours, other) = (secret("whsec_AAEC"), secret("other"));
        let key = public_key(&ours);
        let header = format!("v1,AAAA {} {}", one(&other, "m", 1, b"{}"), one(&ours, "m", 1, b"{}"));
        assert!(verify_ed25519(&key, "m", 1, b"{}", &header));
        assert!(verify_ed25519(&public_key(&other), "m", 1, b"{}", &header));
        assert!(!verify_ed25519(&public_key(&secret("third")), "m", 1, b"{}", &header));
        assert!(!verify_ed25519(&key, "n", 1, b"{}", &header));
        assert!(!verify_ed25519(&key, "m", 2, b"{}", &header));
        assert!(!verify_ed25519(&key, "m", 1, b"[]", &header));
        for header in ["", "v1a,", "v1a,AAAA", "v1a,not base64", &header.replace("v1a,", "v1,")] {
            assert!(!verify_ed25519(&key, "m", 1, b"{}", header), "{header}");
        }
        for key in ["", "whpk_", "whpk_AAAA", &key[5..], &key.replace("whpk_", "whsec_")] {
            assert!(!verify_ed25519(key, "m", 1, b"{}", &header), "{key}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_signed_verifies(
            text in "[ -~]{1,64}", id in "[a-z0-9_]{1,40}", at in any::<i64>(),
            body in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            if let Ok(secret) = Secret::parse(&text) {
                let header = one(&secret, &id, at, &body);
                prop_assert!(verify_ed25519(&public_key(&secret), &id, at, &body, &header));
            }
        }
    }
}
