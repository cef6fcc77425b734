//! Cursors of lists: where a page ended, in a form that only fits the list that it came from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The items of a page unless the caller says otherwise.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most items of a page.
pub const MAX_LIMIT: u32 = 250;
/// The first byte of a cursor: how the rest is made.
const VERSION: u8 = 1;
const LENGTH: usize = 1 + 8 + 16;

/// What a list is: its name and its filters. A cursor carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListStamp([u8; 8]);

impl ListStamp {
    /// The list of this name whose filters are `parts`, in this order.
    pub fn new<'a>(list: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new_with_prefix(list.as_bytes());
        for part in parts {
            hash.update([0]);
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut stamp = [0; 8];
        stamp.copy_from_slice(&digest[..8]);
        Self(stamp)
    }

    /// The cursor of the page that begins before this id.
    pub fn encode(self, before: u128) -> String {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&self.0);
        bytes[9..].copy_from_slice(&before.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where the page begins that a cursor names; the error says what is wrong with it.
    pub fn decode(self, cursor: &str) -> Result<u128, &'static str> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| <[u8; LENGTH]>::try_from(bytes).ok());
        let bytes = bytes.filter(|bytes| bytes[0] == VERSION);
        let bytes = bytes.ok_or("not a cursor: give a next_cursor as it was, or none")?;
        if bytes[1..9] != self.0 {
            return Err("a cursor from another list: it only fits the list and the filters that it came from");
        }
        let mut before = [0; 16];
        before.copy_from_slice(&bytes[9..]);
        Ok(u128::from_be_bytes(before))
    }
}
