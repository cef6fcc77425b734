//! Signatures of the Standard Webhooks specification, version `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{keyed, push_separated};
use crate::secret::Secret;

/// The version of the scheme and the comma after it.
const VERSION: &str = "v1,";

/// Bytes of one `v1,<base64>`.
const SIGNATURE_BYTES: usize = VERSION.len() + 44;

/// A secret made ready to sign: the two blocks that depend on the key alone are hashed once, here. Of a 100-byte event's
/// six blocks that leaves four. The state is as secret as the key.
#[derive(Clone)]
pub struct StandardSigner {
    keyed: Hmac<Sha256>,
}

impl StandardSigner {
    /// Makes a secret ready.
    pub fn new(secret: &Secret) -> Self {
        Self { keyed: keyed(secret.key()) }
    }

    /// Appends `v1,<base64>` to `out`, after a space if there is something already.
    pub fn sign(&self, id: &str, timestamp_seconds: i64, body: &[u8], out: &mut String) {
        let mut mac = self.keyed.clone();
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp_seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        push_separated(out, ' ', VERSION);
        STANDARD.encode_string(mac.finalize().into_bytes(), out);
    }
}

impl fmt::Debug for StandardSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandardSigner(…)")
    }
}

/// The value of `webhook-signature`: one `v1,<base64>` per secret, in their order, separated by spaces.
///
/// `id` is what `webhook-id` says, `timestamp_seconds` what `webhook-timestamp` says, `body` the exact bytes sent.
pub fn standard<'a>(
    secrets: impl Iterator<Item = &'a Secret>,
    id: &str,
    timestamp_seconds: i64,
    body: &[u8],
) -> String {
    let mut out = String::with_capacity(SIGNATURE_BYTES);
    for secret in secrets {
        StandardSigner::new(secret).sign(id, timestamp_seconds, body, &mut out);
    }
    out
}

/// Whether one of the signatures in a `webhook-signature` header is this secret's. In constant time per signature;
/// those of other versions are skipped. The caller judges the age of the timestamp.
pub fn verify_standard(secret: &Secret, id: &str, timestamp_seconds: i64, body: &[u8], header: &str) -> bool {
    let expected = standard(std::iter::once(secret), id, timestamp_seconds, body);
    header.split(' ').any(|signature| signature.as_bytes().ct_eq(expected.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    use super::*;

    /// The specification's example, which every library's tests repeat.
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const AT: i64 = 1_649_367_553;
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    fn one(secret: &Secret, id: &str, at: i64, body: &[u8]) -> String {
        standard(std::iter::once(secret), id, at, body)
    }

    #[test]
    fn the_known_vector_of_the_specification_comes_out() {
        let secret = Secret::parse(SECRET).unwrap();
        assert_eq!(one(&secret, ID, AT, BODY), SIGNATURE);
        assert_eq!(SIGNATURE.len(), SIGNATURE_BYTES);
    }

    #[test]
    fn each_secret_signs_and_a_signer_signs_again_and_again() {
        let (a, b) = (Secret::parse(SECRET).unwrap(), Secret::parse("other").unwrap());
        let both = standard([&a, &b].into_iter(), ID, AT, BODY);
        assert_eq!(both, format!("{SIGNATURE} {}", one(&b, ID, AT, BODY)));
        assert_eq!(standard(std::iter::empty(), ID, AT, BODY), "");

        let signer = StandardSigner::new(&a);
        for _ in 0..2 {
            let mut out = String::new();
            signer.sign(ID, AT, BODY, &mut out);
            assert_eq!(out, SIGNATURE);
        }
        assert_eq!(format!("{signer:?}"), "StandardSigner(…)");
    }

    #[test]
    fn verifying_tells_the_right_request_from_any_other() {
        let (secret, other) = (Secret::parse(SECRET).unwrap(), Secret::parse("other").unwrap());
        let both = standard([&other, &secret].into_iter(), ID, AT, BODY);
        assert!(verify_standard(&secret, ID, AT, BODY, &both));
        assert!(verify_standard(&other, ID, AT, BODY, &both));
        assert!(!verify_standard(&secret, "msg_2", AT, BODY, &both));
        assert!(!verify_standard(&secret, ID, AT + 1, BODY, &both));
        assert!(!verify_standard(&secret, ID, AT, b"{}", &both));
        assert!(!verify_standard(&Secret::parse("third").unwrap(), ID, AT, BODY, &both));
        for header in ["", " ", "v1,", "v1a,AAAA", &SIGNATURE[3..], &SIGNATURE.replace("v1", "v2")] {
            assert!(!verify_standard(&secret, ID, AT, BODY, header), "{header}");
        }
    }

    proptest! {
        #[test]
        fn the_public_library_signs_the_same(
            key in proptest::collection::vec(any::<u8>(), 1..=256),
            id in "[a-z0-9_]{1,40}", at in 0i64.., body in "\\PC{0,200}",
        ) {
            let secret = Secret::parse(&format!("whsec_{}", STANDARD.encode(&key))).unwrap();
            let theirs = Webhook::new(&secret.expose_text()).unwrap().sign(&id, at, body.as_bytes()).unwrap();
            prop_assert_eq!(one(&secret, &id, at, body.as_bytes()), theirs);
        }

        #[test]
        fn a_text_secret_is_its_own_key(text in "[ -~]{1,256}", body in proptest::collection::vec(32u8..127, 0..100)) {
            prop_assume!(!text.starts_with("whsec_"));
            let theirs = Webhook::from_bytes(text.clone().into_bytes()).unwrap().sign("m", 1, &body).unwrap();
            prop_assert_eq!(one(&Secret::parse(&text).unwrap(), "m", 1, &body), theirs);
        }
    }
}
