//! The styles in hex: GitHub's, Stripe's and postmand's. HMAC-SHA256 with the secret's text as the key.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::keyed;
use crate::secret::Secret;

/// A secret made ready for the three styles.
#[derive(Clone)]
pub struct HexSigner {
    keyed: Hmac<Sha256>,
}

impl HexSigner {
    /// Makes a secret ready.
    pub fn new(secret: &Secret) -> Self {
        Self { keyed: keyed(secret.text().as_bytes()) }
    }

    /// The value of `X-Hub-Signature-256`.
    pub fn github(&self, body: &[u8]) -> String {
        self.hex("sha256=".to_owned(), &[body])
    }

    /// The value of postmand's `X-Hub-Signature`.
    pub fn postmand(&self, body: &[u8]) -> String {
        self.hex(String::new(), &[body])
    }

    /// Appends `,v1=<hex>` to a `Stripe-Signature`, which begins with `t=<timestamp_seconds>`.
    pub fn stripe(&self, timestamp_seconds: i64, body: &[u8], out: &mut String) {
        let signature = self.hex(",v1=".to_owned(), &[timestamp_seconds.to_string().as_bytes(), b".", body]);
        out.push_str(&signature);
    }

    fn hex(&self, mut out: String, parts: &[&[u8]]) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        for byte in mac.finalize().into_bytes() {
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        out
    }
}

impl fmt::Debug for HexSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexSigner(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(text: &str) -> HexSigner {
        HexSigner::new(&Secret::parse(text).unwrap())
    }

    #[test]
    fn the_vector_of_postmands_readme_comes_out() {
        assert_eq!(
            signer("my-secret-token").postmand(br#"{"success": true}"#),
            "3fc5d4b8ff4efb404be24faf543667d29902d6a1306bd0c1ef2084497300cee9"
        );
    }

    #[test]
    fn the_vector_of_githubs_documentation_comes_out() {
        assert_eq!(
            signer("It's a Secret to Everybody").github(b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn stripe_signs_the_time_and_the_body_and_lists_its_signatures() {
        let mut out = "t=1492774577".to_owned();
        signer("whsec_AAEC").stripe(1_492_774_577, b"{}", &mut out);
        // HMAC-SHA256 of `1492774577.{}` under the text `whsec_AAEC`, computed with OpenSSL.
        assert_eq!(out, "t=1492774577,v1=963d91abbe80d870856c6483ab5d84e7b3d78a19990656e03710a90e6653e54a");
    }

    #[test]
    fn the_text_is_the_key_prefix_and_all() {
        assert_ne!(signer("whsec_bXlzZWNyZXQ=").github(b""), signer("mysecret").github(b""));
    }
}
