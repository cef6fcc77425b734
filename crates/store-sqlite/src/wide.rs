//! Messages with many targets, shared among what is read from `due`.
//!
//! A waiting delivery is read with its message. One message owed to 100,000 endpoints has 2 MB of targets and as many
//! lanes: read anew for each lane it would fill the memory with copies of itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use posthaste_core::{Message, MessageId};

/// From how many targets on a message is shared.
const WIDE: usize = 256;
/// How many are kept although nobody holds them, so that the next lane finds them.
const RECENT: usize = 4;
/// How many are known at once; those that nobody holds any more go when there are more.
const KNOWN: usize = 1_024;

/// The wide messages that are in memory. Targets never change, but that an erased delivery's is blanked; such a delivery
/// has no row in `due` any more.
#[derive(Debug, Default)]
pub(crate) struct WideMessages(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    known: HashMap<MessageId, Weak<Message>>,
    recent: VecDeque<Arc<Message>>,
}

impl WideMessages {
    pub(crate) fn get(&self, id: MessageId) -> Option<Arc<Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.get(&id)?.upgrade()
    }

    /// The message as everybody shares it.
    pub(crate) fn share(&self, message: Message) -> Arc<Message> {
        let message = Arc::new(message);
        if message.targets.len() < WIDE {
            return message;
        }
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another reader may have been faster.
        if let Some(shared) = shelf.known.get(&message.id).and_then(Weak::upgrade) {
            return shared;
        }
        if shelf.known.len() >= KNOWN {
            shelf.known.retain(|_, known| known.strong_count() > 0);
        }
        if shelf.known.len() < KNOWN {
            shelf.known.insert(message.id, Arc::downgrade(&message));
            shelf.recent.push_back(Arc::clone(&message));
            if shelf.recent.len() > RECENT {
                shelf.recent.pop_front();
            }
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use posthaste_core::{EndpointId, Target, Tenant};

    use super::*;

    fn message(bits: u128, targets: usize) -> Message {
        let id = MessageId::from_bits(bits << 46);
        Message {
            id,
            tenant: Tenant::default_tenant(),
            topic: None,
            content_type: String::new(),
            targets: vec![Target { endpoint: EndpointId::from_bits(1), revision: 1 }; targets],
            batch: posthaste_core::Id::from_bits(id.bits()),
            deliver_at: None,
            extras: posthaste_core::message::MessageExtras::default(),
        }
    }

    #[test]
    fn a_wide_message_is_in_memory_once_as_long_as_it_is_held() {
        let wide = WideMessages::default();
        let first = wide.share(message(1, WIDE));
        assert!(Arc::ptr_eq(&first, &wide.share(message(1, WIDE))));
        for bits in 2..20 {
            wide.share(message(bits, WIDE));
        }
        assert!(Arc::ptr_eq(&first, &wide.get(first.id).unwrap()));
        let id = first.id;
        drop(first);
        assert!(wide.get(id).is_none());
    }

    #[test]
    fn a_narrow_message_is_not_remembered() {
        let wide = WideMessages::default();
        let narrow = wide.share(message(1, WIDE - 1));
        assert!(wide.get(narrow.id).is_none());
    }
}
