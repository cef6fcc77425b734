//! Public ids: typed, sortable by time, 128 bits in TypeID form (`msg_01h455vb4pex5vsknk084sn02q`).
//!
//! A message's id holds the millisecond, the node and a counter; a delivery's id is its message's plus a position; an
//! attempt's id is its delivery's plus a number and the node that made the exchange. So a child finds its parent
//! without a look-up, children sort with their parent, and an id is unique by construction: `ON CONFLICT DO NOTHING`
//! never hides a stranger.
//!
//! ```text
//! | 48 bit ms | 10 bit node | 24 bit counter | 20 bit position | 16 bit attempt number | 10 bit node |
//! |-------------- message ------------------|
//! |------------------------- delivery -----------------------|
//! |-------------------------------------------- attempt ------------------------------------------|
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const COUNTER_SHIFT: u32 = 46;
const NODE_SHIFT: u32 = 70;
const TIME_SHIFT: u32 = 80;
const POSITION_SHIFT: u32 = 26;
const NUMBER_SHIFT: u32 = 10;

/// How many nodes can be told apart in an id.
pub const NODE_NUMBERS: u16 = 1 << 10;
/// How many messages one node can name within one millisecond.
pub const COUNTER_LIMIT: u32 = 1 << 24;
/// The most targets that one message can have: positions run from 1 to this number.
pub const MAX_POSITION: u32 = (1 << 20) - 1;
/// Attempt numbers above this wrap around in the id (not in [`crate::Attempt::number`]).
pub const ATTEMPT_NUMBER_LIMIT: u32 = 1 << 16;

/// What an [`Id`] names; gives the prefix of its text form.
pub trait Kind: 'static {
    /// The TypeID prefix, without the underscore.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $alias:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $kind {}
        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
        }
        $(#[$doc])*
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// One accepted event.
    MessageKind MessageId "msg";
    /// One message owed to one endpoint.
    DeliveryKind DeliveryId "dlv";
    /// One HTTP exchange of a delivery.
    AttemptKind AttemptId "att";
    /// A URL that wants messages.
    EndpointKind EndpointId "ep";
    /// A schedule that publishes messages.
    ScheduleKind ScheduleId "sch";
    /// A topic; users know it by its name.
    TopicKind TopicId "top";
    /// An API key.
    KeyKind KeyId "key";
    /// A replay of past messages.
    ReplayKind ReplayId "rpl";
    /// What one group commit accepted; internal.
    BatchKind BatchId "bat";
    /// One process from its start to its end; the fence of everything that it writes.
    NodeKind NodeId "node";
}

/// A 128-bit id of one kind of thing.
pub struct Id<K>(u128, PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// The id with exactly these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits, PhantomData)
    }

    /// All 128 bits; the same bits as hex are a UUID.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The id from 16 bytes, big-endian, as both stores keep it.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_bits(u128::from_be_bytes(bytes))
    }

    /// 16 bytes, big-endian: sorts as the id does.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The millisecond in the first 48 bits: when the thing (or its message) was accepted.
    pub fn timestamp(self) -> Timestamp {
        let millis = i64::try_from(self.0 >> TIME_SHIFT).unwrap_or(i64::MAX);
        Timestamp::from_millis(millis)
    }

    /// The smallest id of a given instant, for `since`/`until` bounds.
    pub fn floor_of(at: Timestamp) -> Self {
        Self::from_bits(time_bits(at))
    }

    /// An id that carries the time and 80 bits of the caller's randomness.
    pub fn random(at: Timestamp, randomness: u128) -> Self {
        Self::from_bits(time_bits(at) | (randomness & ((1 << TIME_SHIFT) - 1)))
    }
}

fn time_bits(at: Timestamp) -> u128 {
    let millis = u128::try_from(at.as_millis().max(0)).unwrap_or(0) & ((1 << 48) - 1);
    millis << TIME_SHIFT
}

impl MessageId {
    /// The `counter`-th message that `node` accepted in the millisecond of `at`.
    pub fn compose(at: Timestamp, node: u16, counter: u32) -> Self {
        debug_assert!(node < NODE_NUMBERS && counter < COUNTER_LIMIT);
        Self::from_bits(time_bits(at) | (u128::from(node) << NODE_SHIFT) | (u128::from(counter) << COUNTER_SHIFT))
    }

    /// The delivery at a position of this message's targets (1 ..= [`MAX_POSITION`]).
    pub fn delivery(self, position: u32) -> DeliveryId {
        debug_assert!((1..=MAX_POSITION).contains(&position));
        DeliveryId::from_bits(self.0 | (u128::from(position) << POSITION_SHIFT))
    }

    /// The largest bits that any delivery or attempt of this message can have.
    pub fn last_child_bits(self) -> u128 {
        self.0 | ((1 << COUNTER_SHIFT) - 1)
    }
}

impl DeliveryId {
    /// The message that is owed.
    pub fn message(self) -> MessageId {
        MessageId::from_bits(self.0 >> COUNTER_SHIFT << COUNTER_SHIFT)
    }

    /// Which of the message's targets this is, from 1.
    pub fn position(self) -> u32 {
        u32::try_from((self.0 >> POSITION_SHIFT) & u128::from(MAX_POSITION)).unwrap_or(MAX_POSITION)
    }

    /// The id of the `number`-th exchange of this delivery, made by `node`.
    pub fn attempt(self, number: u32, node: u16) -> AttemptId {
        let number = u128::from(number % ATTEMPT_NUMBER_LIMIT);
        AttemptId::from_bits(self.0 | (number << NUMBER_SHIFT) | u128::from(node % NODE_NUMBERS))
    }

    /// The largest bits that any attempt of this delivery can have.
    pub fn last_child_bits(self) -> u128 {
        self.0 | ((1 << POSITION_SHIFT) - 1)
    }
}

impl AttemptId {
    /// The delivery that this exchange belongs to.
    pub fn delivery(self) -> DeliveryId {
        DeliveryId::from_bits(self.0 >> POSITION_SHIFT << POSITION_SHIFT)
    }
}

impl EndpointId {
    /// Which of the 256 endpoint shards owns this endpoint's waiting deliveries.
    pub fn shard(self) -> u8 {
        self.0.to_be_bytes()[15]
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 26];
        let mut rest = self.0;
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(K::PREFIX)?;
        f.write_str("_")?;
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected `{prefix}_` followed by 26 characters of 0-9 and a-z without i, l, o, u")]
pub struct InvalidId {
    prefix: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { prefix: K::PREFIX };
        let suffix = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_'));
        let suffix = suffix.ok_or_else(|| invalid.clone())?.as_bytes();
        // The first of 26 characters holds only 3 of its 5 bits; anything above 7 would not fit in 128.
        if suffix.len() != 26 || suffix[0] > b'7' {
            return Err(invalid);
        }
        let mut bits = 0u128;
        for byte in suffix {
            let digit = ALPHABET.iter().position(|letter| letter == byte).ok_or_else(|| invalid.clone())?;
            bits = bits << 5 | digit as u128;
        }
        Ok(Self::from_bits(bits))
    }
}

impl<K: Kind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Mints message ids for one node: never twice the same, never smaller than the one before.
#[derive(Debug)]
pub struct MessageIds {
    node: u16,
    last_millis: i64,
    counter: u32,
}

impl MessageIds {
    /// A mint for the node with this number (below [`NODE_NUMBERS`]).
    pub fn new(node: u16) -> Self {
        Self { node: node % NODE_NUMBERS, last_millis: 0, counter: 0 }
    }

    /// The next id. A clock that stands still or steps back does not repeat an id: the last millisecond goes on.
    pub fn mint(&mut self, now: Timestamp) -> MessageId {
        let millis = now.as_millis();
        if millis > self.last_millis {
            self.last_millis = millis;
            self.counter = 0;
        } else if self.counter + 1 == COUNTER_LIMIT {
            self.last_millis += 1;
            self.counter = 0;
        } else {
            self.counter += 1;
        }
        MessageId::compose(Timestamp::from_millis(self.last_millis), self.node, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_contains_its_parents() {
        let message = MessageId::compose(Timestamp::from_millis(1_700_000_000_123), 1023, 77);
        let delivery = message.delivery(MAX_POSITION);
        let attempt = delivery.attempt(65_535, 1023);
        assert_eq!(attempt.delivery(), delivery);
        assert_eq!(delivery.message(), message);
        assert_eq!(delivery.position(), MAX_POSITION);
        assert_eq!(attempt.timestamp().as_millis(), 1_700_000_000_123);
        assert!(attempt.bits() <= delivery.last_child_bits());
        assert!(delivery.last_child_bits() <= message.last_child_bits());
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let message = MessageId::from_bits(5).to_string();
        assert!(message.parse::<DeliveryId>().is_err());
        assert!("msg_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<MessageId>().is_err());
        assert!("msg_0000000000000000000000000l".parse::<MessageId>().is_err());
    }

    #[test]
    fn a_clock_that_steps_back_never_repeats_an_id() {
        let mut ids = MessageIds::new(3);
        let first = ids.mint(Timestamp::from_millis(1_000));
        let second = ids.mint(Timestamp::from_millis(400));
        assert!(second > first);
    }

    proptest! {
        #[test]
        fn text_form_round_trips_and_sorts_like_the_bits(a: u128, b: u128) {
            let (a, b) = (MessageId::from_bits(a), MessageId::from_bits(b));
            prop_assert_eq!(a.to_string().parse::<MessageId>(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
