//! Seals endpoint secrets before they reach the database, and opens them for signing.
//!
//! A sealed value begins with a byte that says how: 0, not at all (a server without a secret key); 1,
//! XChaCha20-Poly1305 with a 24-byte nonce, bound to the endpoint's id so that it cannot be moved to another row.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use posthaste_core::EndpointId;
use posthaste_core::endpoint::SealedSecrets;
use posthaste_core::secret::SigningSecrets;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const PLAIN: u8 = 0;
const XCHACHA: u8 = 1;
const NONCE: usize = 24;

/// The shortest text that is accepted as a secret key.
pub const SHORTEST_KEY: usize = 24;

/// Holds the key that seals; its debug form shows nothing.
pub struct Vault {
    cipher: Option<XChaCha20Poly1305>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.cipher.is_some() { "Vault(sealing)" } else { "Vault(unsealed)" })
    }
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The text given as a key is too short.
    #[error("the secret key is too short: give at least {SHORTEST_KEY} characters")]
    ShortKey,
    /// The value was sealed with another key, or this server has none.
    #[error("an endpoint's secret does not open: start the server with the --secret-key that sealed it")]
    WrongKey,
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl Vault {
    /// A vault that seals with this text as the key, or not at all.
    pub fn new(secret_key: Option<&str>) -> Result<Self, VaultError> {
        let Some(text) = secret_key else { return Ok(Self { cipher: None }) };
        if text.len() < SHORTEST_KEY {
            return Err(VaultError::ShortKey);
        }
        // The text may be of any length; the hash with a label makes the cipher's 32 bytes of it.
        let mut hash = Sha256::new_with_prefix(b"posthaste endpoint secrets v1\0");
        hash.update(text.as_bytes());
        let key = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
        Ok(Self { cipher: Some(XChaCha20Poly1305::new((&*key).into())) })
    }

    /// Whether what is stored is sealed.
    pub const fn seals(&self) -> bool {
        self.cipher.is_some()
    }

    /// Whether a stored value was sealed.
    pub fn is_sealed(sealed: &SealedSecrets) -> bool {
        sealed.0.first() == Some(&XCHACHA)
    }

    /// Seals an endpoint's secrets.
    pub fn seal(&self, endpoint: EndpointId, secrets: &SigningSecrets) -> Result<SealedSecrets, VaultError> {
        let plain = secrets.to_plaintext();
        let Some(cipher) = &self.cipher else {
            let mut sealed = vec![PLAIN];
            sealed.extend_from_slice(&plain);
            return Ok(SealedSecrets(sealed));
        };
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::NoRandomness)?;
        let aad = endpoint.to_bytes();
        let payload = Payload { msg: &plain, aad: &aad };
        let body = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::WrongKey)?;
        let mut sealed = Vec::with_capacity(1 + NONCE + body.len());
        sealed.push(XCHACHA);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(SealedSecrets(sealed))
    }

    /// Opens what [`Vault::seal`] made.
    pub fn open(&self, endpoint: EndpointId, sealed: &SealedSecrets) -> Result<SigningSecrets, VaultError> {
        let (&how, rest) = sealed.0.split_first().ok_or(VaultError::WrongKey)?;
        let plain = match (how, &self.cipher) {
            (PLAIN, _) => Zeroizing::new(rest.to_vec()),
            (XCHACHA, Some(cipher)) if rest.len() > NONCE => {
                let (nonce, body) = rest.split_at(NONCE);
                let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| VaultError::WrongKey)?;
                let aad = endpoint.to_bytes();
                let payload = Payload { msg: body, aad: &aad };
                Zeroizing::new(cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::WrongKey)?)
            }
            _ => return Err(VaultError::WrongKey),
        };
        SigningSecrets::from_plaintext(&plain).map_err(|_| VaultError::WrongKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use posthaste_core::Secret;

    fn secrets() -> SigningSecrets {
        SigningSecrets { current: Secret::parse("a caller's own text").unwrap(), previous: Vec::new() }
    }

    #[test]
    fn a_sealed_secret_opens_only_with_its_key_and_its_endpoint() {
        let (id, other) = (EndpointId::from_bits(7), EndpointId::from_bits(8));
        let vault = Vault::new(Some("correct horse battery staple")).unwrap();
        let sealed = vault.seal(id, &secrets()).unwrap();
        assert!(!sealed.0.windows(6).any(|window| window == b"caller"));
        assert_eq!(vault.open(id, &sealed).unwrap().current.key(), b"a caller's own text");
        assert_eq!(vault.open(other, &sealed).unwrap_err(), VaultError::WrongKey);
        let wrong = Vault::new(Some("incorrect horse battery staple")).unwrap();
        assert_eq!(wrong.open(id, &sealed).unwrap_err(), VaultError::WrongKey);
        assert_eq!(Vault::new(None).unwrap().open(id, &sealed).unwrap_err(), VaultError::WrongKey);
    }

    #[test]
    fn secrets_stored_before_there_was_a_key_still_open() {
        let id = EndpointId::from_bits(7);
        let plain = Vault::new(None).unwrap().seal(id, &secrets()).unwrap();
        let vault = Vault::new(Some("correct horse battery staple")).unwrap();
        assert_eq!(vault.open(id, &plain).unwrap().current.key(), b"a caller's own text");
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(Vault::new(Some("short")).unwrap_err(), VaultError::ShortKey);
    }
}
